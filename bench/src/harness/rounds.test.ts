import { describe, expect, test } from "vitest";
import { figures, interleave } from "./rounds.ts";

function subjects(log: string[], rounds?: number) {
  const measure = (name: string) => async (round: number) => log.push(`${name}${round}`);
  return [
    { name: "a", measure: measure("a") },
    { name: "b", measure: measure("b"), ...(rounds === undefined ? {} : { rounds }) },
  ];
}

describe("interleave", () => {
  test("measures every subject once a round, another one first each time", async () => {
    const log: string[] = [];
    await interleave(subjects(log), 2);
    expect(log).toEqual(["a0", "b0", "b1", "a1"]);
  });

  test("spreads a subject with fewer rounds over all of them", async () => {
    const samples = await interleave(subjects([], 2), 6);
    expect([...figures(samples, "a", Number).keys()]).toEqual([0, 1, 2, 3, 4, 5]);
    expect([...figures(samples, "b", Number).keys()]).toEqual([2, 5]);
  });

  test("a name that was not measured is an error", async () => {
    const samples = await interleave(subjects([]), 1);
    expect(() => figures(samples, "c", Number)).toThrow("under the name c");
  });
});
