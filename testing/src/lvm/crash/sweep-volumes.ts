import type { Action } from "../../child/scenario.ts";
import { actMortally } from "../../mortal-host.ts";
import { Random } from "../../random.ts";
import type { TempHost } from "../../temp-host.ts";
import { testContext } from "../../workspace.ts";

/** How many of an operation's instants a run tries, at random; `all` of them takes ten minutes here. */
const KILLS = process.env["LUKSMITH_INSTANTS"] ?? "1";
const chance = new Random(Number(process.env["LUKSMITH_SEED"] ?? Date.now()));

export interface Swept {
  readonly instants: readonly string[];
  /** What recovery did, wherever the process had died. */
  readonly recovered: ReadonlySet<string>;
}

/**
 * Does an operation once to its end, and then again, each time by a process that dies at another of its instants; recovers
 * each time, twice, and looks at what there is.
 * @param expectTrue fails unless everything that there is belongs together
 */
export async function sweepVolumes(
  temp: TempHost,
  actionOf: () => Promise<Action>,
  expectTrue: () => Promise<void>,
): Promise<Swept> {
  const whole = await actMortally(temp, await actionOf(), undefined);
  if (!whole || whole.error)
    throw new Error(`an operation without a crash failed: ${whole?.error?.code ?? ""}`);
  await expectTrue();
  const recovered = new Set<string>();
  for (const killAt of chosen(whole.instants.length)) {
    await actMortally(temp, await actionOf(), killAt);
    try {
      for (const outcome of await recovery(temp)) recovered.add(outcome);
      await expectTrue();
      const again = await recovery(temp);
      if (again.length > 0) throw new Error(`the second recovery found ${again.join()}`);
    } catch (error) {
      const died = `${killAt} (${whole.instants[killAt - 1] ?? "?"})`;
      throw new Error(`after a death at ${died}: ${String(error)}`, { cause: error });
    }
  }
  return { instants: whole.instants, recovered };
}

/** From 1 on. The last instant is the operation's end. */
function chosen(count: number): readonly number[] {
  const all = Array.from({ length: count }, (_, index) => index + 1);
  if (KILLS === "all") return all;
  const picked = new Set<number>();
  while (picked.size < Math.min(Number(KILLS), count)) picked.add(1 + Math.floor(chance.next() * count));
  return [...picked].toSorted((a, b) => a - b);
}

async function recovery(temp: TempHost): Promise<readonly string[]> {
  await using host = await temp.write(testContext());
  return host.recovery.operations.map(({ outcome }) => outcome);
}
