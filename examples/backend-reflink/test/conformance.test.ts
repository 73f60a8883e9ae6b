import { describeImageBackend } from "@luksmith/testkit";
import { afterAll, describe, test } from "vitest";
import { reflinkFixture } from "./reflink-fixture.ts";
import { folderOf, reflinkStorage } from "./storage.ts";

const storage = reflinkStorage("xfs");

if (typeof storage === "string") {
  test("the contract on XFS", ({ skip }) => skip(storage));
} else {
  describe("on XFS", () => {
    afterAll(() => storage[Symbol.dispose]());
    describeImageBackend("reflink", (services) => reflinkFixture(folderOf(storage), services));
  });
}
