import { describe, expect, test } from "vitest";
import { plainOverlays } from "./plain-overlays.ts";

const ENCRYPTION = "<encryption format='luks'><secret type='passphrase' uuid='s'/></encryption>";
const layer = (file: string, encrypted: boolean): string =>
  `<source file='${file}'>${encrypted ? ENCRYPTION : ""}</source>`;

function domain(...disks: readonly string[]): string {
  const each = disks.map((disk) => `<disk type='file'>${disk}<target dev='vda'/></disk>`);
  return `<domain><devices>${each.join("")}</devices></domain>`;
}

const below = (...layers: readonly string[]): string =>
  layers.reduceRight(
    (rest, each) => `<backingStore type='file'>${each}${rest}</backingStore>`,
    "<backingStore/>",
  );

const ours = {
  disks: [{ name: "disk", path: "/ours", encryption: { format: "luks", secretId: "s" } }],
  diskInfo: { mapping: { disk: { dev: "vda" } } },
} as never;

describe("plainOverlays", () => {
  test("finds a layer in clear over an encrypted one, however deep", () => {
    const xml = domain(layer("/top", false) + below(layer("/middle", false), layer("/ours", true)));
    expect(plainOverlays(xml, undefined)).toEqual([
      { device: "vda", file: "/top", over: "/ours" },
      { device: "vda", file: "/middle", over: "/ours" },
    ]);
  });

  test.each([
    ["an encrypted overlay on a plain base", layer("/ours", true) + below(layer("/base", false))],
    ["a plain disk on a plain base", layer("/plain", false) + below(layer("/base", false))],
    ["an encrypted overlay on an encrypted base", layer("/ours", true) + below(layer("/base", true))],
    ["encryption beside the source", `<source file='/ours'/>${ENCRYPTION}`],
    ["an empty drive", ""],
  ])("finds nothing in %s", (_, disk) => {
    expect(plainOverlays(domain(disk), undefined)).toEqual([]);
  });

  test("finds what stands in the place of one of our disks, also without its layers", () => {
    const xml = domain(layer("/snap", false));
    expect(plainOverlays(xml, ours)).toEqual([{ device: "vda", file: "/snap", over: "/ours" }]);
    expect(plainOverlays(domain(layer("/ours", true)), ours)).toEqual([]);
  });
});
