import { BackendBench, brokenBy, checkRule, IMAGE_BACKEND_RULES } from "@luksmith/testkit";
import { describe, expect, test } from "vitest";
import { CARELESS } from "./broken/careless.ts";
import { BROKEN_CREATION } from "./broken/creation.ts";
import type { Fault } from "./broken/fault.ts";
import { BROKEN_LIFE } from "./broken/life.ts";
import { BROKEN_LISTS } from "./broken/lists.ts";
import { rawFixture } from "./raw-fixture.ts";

const FAULTS: readonly Fault[] = [...CARELESS, ...BROKEN_CREATION, ...BROKEN_LIFE, ...BROKEN_LISTS];

/** About disks on a base, which raw files are not: packages/backend-qcow2/test/contract-catches.test.ts. */
const OF_OVERLAYS = ["IB-36", "IB-37", "IB-38", "IB-47"];

/** About clones in the storage itself: packages/backend-rbd/test/contract-catches.test.ts. */
const OF_CLONES = ["IB-54", "IB-55"];

/** What QEMU writes into a disk with a good header is encrypted: to break this takes a cipher that does nothing. */
const UNBREAKABLE = ["IB-8"];

describe("the contract suite notices", () => {
  test.each(FAULTS)("$what ($rule)", async (fault) => {
    const rule = IMAGE_BACKEND_RULES.find(({ id }) => id === fault.rule);
    if (!rule) throw new Error(`there is no rule ${fault.rule}`);
    await using bench = await BackendBench.open(async (given) => {
      const services = fault.services?.(given) ?? given;
      const fixture = await rawFixture(services);
      const { backend } = fixture;
      const image: typeof backend.image = (disk) => {
        const made = backend.image(disk);
        return Object.assign(made, fault.image?.(made, services));
      };
      return { ...fixture, backend: { ...backend, image, ...fault.backend?.(backend) } };
    });
    const message = await checkRule(rule, bench).then(
      () => "nothing",
      (error: unknown) => String(error),
    );
    expect(message).toContain(brokenBy(rule));
    // It says how, too.
    expect(message.length).toBeGreaterThan(`BrokenRule: ${brokenBy(rule)}`.length);
  });

  test("something about every rule", () => {
    const noticed = new Set([
      ...FAULTS.map(({ rule }) => rule),
      ...OF_OVERLAYS,
      ...OF_CLONES,
      ...UNBREAKABLE,
    ]);
    expect(IMAGE_BACKEND_RULES.map(({ id }) => id).filter((id) => !noticed.has(id))).toEqual([]);
  });
});
