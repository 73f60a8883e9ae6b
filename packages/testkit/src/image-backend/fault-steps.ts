import { inspect } from "node:util";
import { isLuksmithError, type OpContext } from "@luksmith/core";
import { testContext } from "../test-context.ts";
import type { BackendBench } from "./backend-bench.ts";
import { COMMAND_FAULTS, type CommandFault } from "./faulty-commands.ts";

/** One run of an operation in which one command went wrong. */
export interface Attempt {
  readonly fault: CommandFault;
  /** For messages: `when the 2nd command, lvcreate, fails`. */
  readonly when: string;
  /** What the operation threw; undefined: it did without. */
  readonly error: unknown;
}

/**
 * How the command of that number goes wrong. The first in each way; the others having done their work and failed, which is what
 * backends get wrong, and in one more way: a volume takes a second to make. All of them in each way by `LUKSMITH_FAULTS=all`, each
 * in one way by `few`.
 */
function faultsAt(at: number): readonly CommandFault[] {
  const amount = process.env["LUKSMITH_FAULTS"];
  if (amount === "few") return [COMMAND_FAULTS[at % COMMAND_FAULTS.length] ?? "fails-late"];
  if (at === 1 || amount === "all") return COMMAND_FAULTS;
  const others = COMMAND_FAULTS.filter((fault) => fault !== "fails-late");
  return ["fails-late", others[at % others.length] ?? "is-cancelled"];
}

/**
 * Runs an operation with each of its commands going wrong in several ways. Ends with one run in which none did, whose failure
 * it throws.
 * @param act the operation, begun anew each time
 * @param after what must hold after a run that went wrong; undoes what the run began
 */
export async function withFaults(
  bench: BackendBench,
  act: (ctx: OpContext) => Promise<unknown>,
  after: (attempt: Attempt) => Promise<void>,
): Promise<void> {
  for (let at = 1; ; at++) {
    for (const fault of faultsAt(at)) {
      const { struck, error } = await attempt(bench, { at, fault }, act);
      if (struck === undefined) {
        if (error !== undefined) throw error;
        return;
      }
      const when = `when command ${at}, ${struck}, ${fault.replace("-", " ")}`;
      requireTyped(bench, { fault, when, error });
      await after({ fault, when, error });
    }
  }
}

async function attempt(
  { faults }: BackendBench,
  plan: { readonly at: number; readonly fault: CommandFault },
  act: (ctx: OpContext) => Promise<unknown>,
): Promise<{ struck: string | undefined; error: unknown }> {
  const control = new AbortController();
  faults.arm({ ...plan, cancel: () => control.abort(new Error("enough")) });
  const error = await act(testContext({ signal: control.signal })).then(
    () => undefined,
    (thrown: unknown) => thrown ?? new Error("it threw nothing"),
  );
  return { struck: faults.disarm(), error };
}

function requireTyped({ faults }: BackendBench, { fault, when, error }: Attempt): void {
  if (fault === "is-cancelled" && faults.deaf) {
    throw new Error(`${when}: the command was not given the operation's signal`);
  }
  if (error === undefined) return;
  if (!isLuksmithError(error)) {
    throw new Error(`${when}: must fail with a Luksmith error, not with ${inspect(error)}`, { cause: error });
  }
  if (fault === "is-cancelled" && error.code !== "Cancelled") {
    throw new Error(`${when}: must fail with Cancelled, not with ${error.code}`, { cause: error });
  }
  if (error.category === "internal") {
    throw new Error(`${when}: a tool's failure is no bug of the host's, yet it says ${error.code}`, {
      cause: error,
    });
  }
}
