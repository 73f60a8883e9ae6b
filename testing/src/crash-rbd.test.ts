import { randomInt } from "node:crypto";
import { createInstance } from "@luksmith/core/host";
import { sharedCeph } from "@luksmith/testing-services";
import { beforeAll, describe, expect, test } from "vitest";
import { runChild } from "./child/run-child.ts";
import type { Action } from "./child/scenario.ts";
import { rbdHost } from "./rbd-host.ts";
import { expectRbdConsistent } from "./rbd-state.ts";
import type { TempHost } from "./temp-host.ts";
import { testContext } from "./workspace.ts";

const MIB = 1024 * 1024;
const DISKS = { swap: 4 };
const SWEEP = { timeout: 300_000 };

beforeAll(() => sharedCeph(), 120_000);

interface Prepared {
  readonly temp: TempHost;
  readonly image: string;
  readonly namespace: string;
}

async function prepare(): Promise<Prepared> {
  const { temp, namespace } = await rbdHost(await sharedCeph());
  return { temp, namespace, image: temp.addImage(6 * MIB) };
}

async function addInstance(
  { temp, image }: Prepared,
  knobs: { readonly encrypted?: boolean } = {},
): Promise<string> {
  await using host = await temp.write();
  return (await createInstance(host, await temp.request(image, { ...DISKS, ...knobs }), testContext())).uuid;
}

async function isThere({ temp }: Prepared, id: string): Promise<boolean> {
  await using host = await temp.read();
  return host.inventory?.instance(id) !== undefined;
}

/** Some of the instants, other ones in each run, until one is later than the last; what was passed in that run. */
async function sweep(
  prepared: Prepared,
  step: number,
  actionOf: () => Promise<Action>,
): Promise<{ readonly instants: readonly string[]; readonly recovered: ReadonlySet<string> }> {
  const { temp, namespace } = prepared;
  const recovered = new Set<string>();
  for (let killAt = randomInt(1, step + 1); ; killAt += randomInt(1, step + 1)) {
    const outcome = await runChild({ configFile: temp.configFile, action: await actionOf(), killAt });
    await using host = await temp.write();
    for (const each of host.recovery.operations) recovered.add(each.outcome);
    await expectRbdConsistent(host, await sharedCeph(), namespace);
    expect(outcome?.error).toBeUndefined();
    if (outcome) return { instants: outcome.instants, recovered };
  }
}

describe("invariant 1, of disks in Ceph", () => {
  test("a create killed at some instants leaves neither objects nor secrets", SWEEP, async () => {
    const prepared = await prepare();
    const { temp, image } = prepared;
    const create = async (): Promise<Action> => ({ kind: "create", request: temp.json(image, DISKS) });
    const { instants, recovered } = await sweep(prepared, 4, create);
    const passed = [
      "secret created",
      "journal: image",
      "rbd: create",
      "rbd: write",
      "rbd: close",
      "rbd: publish",
    ];
    expect(instants).toEqual(expect.arrayContaining(passed));
    expect(recovered).toEqual(new Set(["undone"]));
  });

  test("a create of clones killed at some instants leaves bases at most", SWEEP, async () => {
    const prepared = await prepare();
    const { temp } = prepared;
    // An image of its own each time, so that its base is made, too.
    const create = async (): Promise<Action> => {
      const request = temp.json(temp.addImage(2 * MIB), { encrypted: false });
      return { kind: "create", request };
    };
    const { instants, recovered } = await sweep(prepared, 8, create);
    const passed = ["rbd: write", "rbd: seal", "rbd: publish", "rbd: clone"];
    expect(instants).toEqual(expect.arrayContaining(passed));
    expect(recovered).toEqual(new Set(["undone"]));
  });

  test("a flatten killed at some instants leaves a disk that is a clone or stands alone", SWEEP, async () => {
    const prepared = await prepare();
    let id = "";
    const { instants } = await sweep(prepared, 8, async () => {
      id = await addInstance(prepared, { encrypted: false });
      return { kind: "flatten", id, disk: "disk" };
    });
    expect(instants).toEqual(expect.arrayContaining(["rbd: own", "rbd: detach"]));
  });

  test("a delete killed at some instants is finished", SWEEP, async () => {
    const prepared = await prepare();
    let id = await addInstance(prepared);
    const { instants, recovered } = await sweep(prepared, 4, async () => {
      if (!(await isThere(prepared, id))) id = await addInstance(prepared);
      return { kind: "delete", id };
    });
    expect(instants).toEqual(expect.arrayContaining(["rbd: write", "rbd: remove", "secret deleted"]));
    expect(instants.lastIndexOf("rbd: remove")).toBeLessThan(instants.indexOf("secret deleted"));
    expect(recovered).toEqual(new Set(["finished"]));
  });

  test("a resize killed at some instants leaves one size", SWEEP, async () => {
    const prepared = await prepare();
    const id = await addInstance(prepared);
    let bytes = 4 * MIB;
    const { instants } = await sweep(prepared, 3, async () => {
      bytes += 512;
      return { kind: "resize", id, disk: "disk.swap", bytes };
    });
    expect(instants).toContain("rbd: resize");
  });
});
