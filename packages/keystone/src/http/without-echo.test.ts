import { describe, expect, it } from "vitest";
import { withoutEcho } from "./without-echo.ts";

const body = Buffer.from(
  JSON.stringify({ payload_content_type: "text/plain", payload: "s3cr3t/Passw0rd==" }),
);

describe("withoutEcho", () => {
  it.each([
    ["'s3cr3t/Passw0rd==' is too short", "'[redacted]' is too short"],
    ["starts with s3cr3t/Pass", "starts with [redacted]"],
    ["s3cr3t/Passw0rd==s3cr3t/Passw0rd==", "[redacted][redacted]"],
    ["payload_content_type is missing", "payload_content_type is missing"],
    ["nothing of it: payload", "nothing of it: payload"],
    [body.toString(), "[redacted]"],
    ["", ""],
  ])("of %j keeps %j", (text, kept) => {
    expect(withoutEcho(text, body)).toBe(kept);
  });

  it("knows letters beyond ASCII", () => {
    expect(withoutEcho("ünïcödé-paß is bad", Buffer.from("ünïcödé-paß"))).toBe("[redacted] is bad");
  });
});
