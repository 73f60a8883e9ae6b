import type { Image } from "@luksmith/core";
import { sharedCeph } from "@luksmith/testing-services";
import { BackendBench, IMAGE_BACKEND_RULES } from "@luksmith/testkit";
import { beforeAll, describe, expect, test } from "vitest";
import { RbdFixture } from "./rbd-fixture.ts";

beforeAll(() => sharedCeph(), 120_000);

/** Ways to get clones wrong, with the rule that must notice; all others are tried on raw files. */
const FAULTS: readonly [what: string, rule: string, broken: Partial<Image>][] = [
  ["a flatten that does nothing", "IB-54", { flatten: async () => {} }],
  ["a disk that is said to stand alone", "IB-54", { standsOn: async () => undefined }],
  ["an encrypted disk that is a clone", "IB-55", { standsOn: async () => "rbd:vms/base@snapshot" }],
];

describe("the contract suite notices", () => {
  test.each(FAULTS)("%s", async (_, id, broken) => {
    const rule = IMAGE_BACKEND_RULES.find((each) => each.id === id);
    if (!rule) throw new Error(`there is no rule ${id}`);
    await using bench = await BackendBench.open(async (services) => {
      const fixture = await RbdFixture.open(services);
      const { backend } = fixture;
      const make = backend.image.bind(backend);
      Object.assign(backend, {
        image: (disk: Parameters<typeof make>[0]) => Object.assign(make(disk), broken),
      });
      return fixture;
    });
    await expect(rule.check(bench)).rejects.toThrow();
  });
});
