import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { apiReport, reportPath, REPORTED } from "../src/api-report.ts";

// A plugin of others compiles against these: a change of one is seen in review, or it is not meant.
test.each(REPORTED)(
  "the public signatures of %s are those of its report; npm run release -- api writes it",
  async (name) => {
    const kept = existsSync(reportPath(name)) ? readFileSync(reportPath(name), "utf8") : "";
    expect(await apiReport(name)).toBe(kept);
  },
  180_000,
);
