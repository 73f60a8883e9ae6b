import { describe, expect, it } from "vitest";
import { Catalog } from "./catalog.ts";

const endpoint = (face: string, region: string, url: string) => ({ interface: face, region_id: region, url });
const catalog = new Catalog([
  { type: "image", name: "glance", endpoints: [endpoint("public", "One", "http://image/")] },
  {
    type: "key-manager",
    name: "barbican",
    endpoints: [
      endpoint("public", "One", "http://one-public/"),
      endpoint("internal", "One", "http://one-internal"),
      endpoint("publicURL", "Two", "http://two//"),
    ],
  },
  { type: "key-manager", name: "other", endpoints: [endpoint("public", "One", "http://other")] },
]);

describe("the catalog", () => {
  it.each([
    [["key-manager"], ["internal", "public"], "One", undefined, "http://one-internal"],
    [["key-manager"], ["public", "internal"], "One", undefined, "http://one-public"],
    [["key-manager"], ["internal", "public"], "Two", undefined, "http://two"],
    [["key-manager"], ["public"], "One", "other", "http://other"],
    [["key-manager"], ["admin"], "One", undefined, undefined],
    [["key-manager"], ["public"], "Three", undefined, undefined],
    [["key-manager"], ["public"], undefined, undefined, "http://one-public"],
    [["keymgr", "key-manager"], ["public"], "One", undefined, "http://one-public"],
    [["volume"], ["public"], undefined, undefined, undefined],
  ] as const)("finds %j %j in %s (%s): %s", (serviceTypes, interfaces, region, serviceName, url) => {
    expect(catalog.endpoint({ serviceTypes, interfaces, region, serviceName })).toBe(url);
  });

  it("knows its regions", () => {
    expect(catalog.regions(["key-manager"])).toEqual(["One", "Two"]);
  });
});
