import { expect, test } from "vitest";
import { errorFromJson } from "./error-from-json.ts";
import { errorToJson, exitCodeOf, isLuksmithError, LuksmithError } from "./luksmith-error.ts";

test("an error that was sent is the same at the other end", () => {
  const sent = new LuksmithError("DiskInUse", "the disk is in use", {
    details: { disk: "disk" },
    retryable: true,
  });
  const document = errorToJson(sent);
  const received = errorFromJson(JSON.parse(JSON.stringify(document)));
  expect(received && errorToJson(received)).toEqual(document);
  expect([isLuksmithError(received), exitCodeOf(received)]).toEqual([true, exitCodeOf(sent)]);
});

test.each([undefined, null, "text", [], {}, { code: 1 }, { code: "X", message: "m", category: "toString" }])(
  "%j is none",
  (value) => {
    expect(errorFromJson(value)).toBeUndefined();
  },
);
