import { describe, expect, it } from "vitest";
import { PlacementConfig } from "./config.ts";

const parse = (sections: Record<string, Record<string, string>>) =>
  PlacementConfig.safeParse({ sections, statePath: "/nonexistent" });
const placement = { auth_url: "http://127.0.0.1/v3", username: "nova" };

describe("PlacementConfig", () => {
  it("takes Nova's section as it is, and what it does not set from Nova", () => {
    const { data } = parse({ DEFAULT: { host: "node1" }, placement });
    expect(data).toMatchObject({ resourceProvider: undefined, host: "node1", timeoutMs: 120_000 });
    expect(data?.settings.sections["placement"]).toEqual(placement);
    expect(data?.settings.statePath).toBe("/nonexistent");
  });

  it("takes its own options", () => {
    const own = { resource_provider: "node1.example", timeout: "30" };
    const { data } = parse({ placement, "luksmith:traits-placement": own });
    expect(data).toMatchObject({ resourceProvider: "node1.example", timeoutMs: 30_000 });
  });

  it.each([
    ["no [placement]", {}, "[placement] section"],
    ["nobody who logs in", { placement: { region_name: "RegionOne" } }, "auth_url"],
    [
      "a misspelled option",
      { placement, "luksmith:traits-placement": { resource_provide: "x" } },
      "resource_provide",
    ],
    ["no name", { placement, "luksmith:traits-placement": { resource_provider: "" } }, "must not be empty"],
    ["no number", { placement, "luksmith:traits-placement": { timeout: "soon" } }, "whole number of seconds"],
    ["too little time", { placement, "luksmith:traits-placement": { timeout: "0" } }, "1 to 3600"],
    ["too much time", { placement, "luksmith:traits-placement": { timeout: "3601" } }, "1 to 3600"],
  ])("refuses %s", (_what, sections, message) => {
    expect(parse(sections as Record<string, Record<string, string>>).error?.message).toContain(message);
  });
});
