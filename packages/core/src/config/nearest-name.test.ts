import { expect, test } from "vitest";
import { editDistance, nearestName } from "./nearest-name.ts";

test.each([
  ["", "abc", 3],
  ["kitten", "sitting", 3],
  ["same", "same", 0],
  ["flaw", "lawn", 2],
])("from %j to %j it is %i", (a, b, distance) => {
  expect(editDistance(a, b)).toBe(distance);
  expect(editDistance(b, a)).toBe(distance);
});

test.each([
  ["image_path", "images_path"],
  ["IMAGES-PATH", "images_path"],
  ["imagespath", "images_path"],
  ["colour", undefined],
  ["images_path".repeat(30), undefined],
])("%j was meant to be %s", (written, meant) => {
  expect(nearestName(written, ["state_path", "images_path", "socket"])).toBe(meant);
});
