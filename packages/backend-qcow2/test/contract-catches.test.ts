import { BackendBench, brokenBy, checkRule, IMAGE_BACKEND_RULES } from "@luksmith/testkit";
import type { Image } from "@luksmith/core";
import { describe, expect, test } from "vitest";
import { qcow2Fixture } from "./qcow2-fixture.ts";

/** Ways to get overlays wrong, with the rule that must notice; packages/backend-raw/test/broken has all others. */
const FAULTS: readonly (readonly [rule: string, what: string, (image: Image) => Partial<Image>])[] = [
  ["IB-36", "a flatten that does nothing", () => ({ flatten: async () => {} })],
  [
    "IB-37",
    "a flatten that cannot be cancelled",
    (image) => {
      const flatten = image.flatten.bind(image);
      return { flatten: (ctx) => flatten({ ...ctx, signal: new AbortController().signal }) };
    },
  ],
  [
    "IB-38",
    "a base that is taken unseen",
    () => ({ proveBase: async ({ file, format }) => ({ file, format, virtualSize: 0, identity: {} }) }),
  ],
  [
    "IB-47",
    "a flatten that goes wrong without saying so in words of ours",
    (image) => {
      const flatten = image.flatten.bind(image);
      return {
        flatten: (ctx) =>
          flatten(ctx).catch((error: unknown) => {
            throw new Error("qemu-img failed", { cause: error });
          }),
      };
    },
  ],
];

describe("the contract suite notices", () => {
  test.each(FAULTS)("%s: %s", async (id, _what, override) => {
    const rule = IMAGE_BACKEND_RULES.find((each) => each.id === id);
    if (!rule) throw new Error(`there is no rule ${id}`);
    await using bench = await BackendBench.open(async (services) => {
      const fixture = await qcow2Fixture(services);
      const { backend } = fixture;
      const image: typeof backend.image = (disk) => {
        const made = backend.image(disk);
        return Object.assign(made, override(made));
      };
      return { ...fixture, backend: { ...backend, image } };
    });
    await expect(checkRule(rule, bench)).rejects.toThrow(brokenBy(rule));
  });
});
