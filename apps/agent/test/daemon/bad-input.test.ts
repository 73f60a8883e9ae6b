import { once } from "node:events";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TemporaryHost } from "../temporary-host.ts";
import { Daemon, daemonHost, type Sent } from "./running-daemon.ts";

let host: TemporaryHost;
let daemon: Daemon;
beforeAll(async () => {
  host = await daemonHost();
  daemon = await Daemon.start(host);
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await host[Symbol.asyncDispose]();
});

const DISK = "/v1/instances/3fa85f64-5717-4562-b3fc-2c963f66afa6/disks/disk";

/** Sends bytes as they are and gives all that comes back until the connection is closed. */
async function rawCall(bytes: string): Promise<string> {
  const socket = connect(daemon.socket);
  let text = "";
  socket.on("data", (chunk: Buffer) => (text += chunk.toString()));
  socket.on("error", () => {});
  socket.end(bytes);
  await once(socket, "close");
  return text;
}

describe("what is wrong is refused with a message, and nothing happens", () => {
  test.each<[string, string, string, Sent, number, string | RegExp]>([
    ["no JSON", "POST", "/v1/instances", { raw: '{"server": oops}' }, 400, /the body:1:12: not JSON/],
    ["half a JSON", "POST", "/v1/plan", { raw: '{"server": {' }, 400, /not JSON/],
    ["no UTF-8", "POST", "/v1/instances", { raw: "\u0000" }, 400, /not JSON/],
    ["no body", "POST", "/v1/instances", {}, 400, "InvalidRequest"],
    ["null", "POST", "/v1/instances", { raw: "null" }, 400, "InvalidRequest"],
    ["an array", "POST", "/v1/instances", { raw: "[]" }, 400, "InvalidRequest"],
    ["a request of wrong types", "POST", "/v1/instances", { body: { server: 7 } }, 400, "server"],
    [
      "a body of another type",
      "POST",
      "/v1/instances",
      { raw: "a=b", headers: { "content-type": "text/plain" } },
      415,
      "InvalidRequest",
    ],
    ["an unknown route", "GET", "/v2/instances", {}, 404, "openapi.json"],
    ["a method that is none", "PUT", "/v1/instances", {}, 404, "openapi.json"],
    ["no size", "POST", `${DISK}/resize`, { body: {} }, 400, "size"],
    ["a size that is text", "POST", `${DISK}/resize`, { body: { size: "1G" } }, 400, "size"],
    ["a size of half a sector", "POST", `${DISK}/resize`, { body: { size: 1000 } }, 400, "512"],
    ["a size below 0", "POST", `${DISK}/resize`, { body: { size: -512 } }, 400, "size"],
    ["a size beyond numbers", "POST", `${DISK}/resize`, { raw: '{"size": 1e300}' }, 400, "size"],
    ["a misspelled field", "POST", `${DISK}/rebase`, { body: { base: "/a", trust: true } }, 400, "trust"],
    ["a relative path", "POST", `${DISK}/snapshot`, { body: { target: "copy.img" } }, 400, "absolute"],
    ["a path with NUL", "POST", `${DISK}/snapshot`, { body: { target: "/a\0b" } }, 400, "absolute"],
    [
      "an unknown format",
      "POST",
      `${DISK}/snapshot`,
      { body: { target: "/a", format: "vmdk" } },
      400,
      "format",
    ],
    ["a query that is no truth", "DELETE", "/v1/instances/x?forget_missing=maybe", {}, 400, "forget_missing"],
    ["a path that leaves its place", "GET", "/v1/instances/..%2f..%2fetc", {}, 404, "InstanceNotFound"],
    ["an id of 5000 characters", "GET", `/v1/instances/${"a".repeat(5000)}`, {}, 414, ""],
    ["a broken escape", "GET", "/v1/instances/%zz", {}, 400, "InvalidRequest"],
    ["a prototype", "POST", `${DISK}/resize`, { raw: '{"__proto__": {"size": 512}}' }, 400, "size"],
  ])("%s", async (_, method, path, sent, status, told) => {
    const reply = await daemon.call<{ error: { code: string } }>(method, path, sent);
    expect([reply.status, reply.text]).toEqual([status, expect.stringMatching(told)]);
    expect(reply.json.error.code).not.toBe("InternalError");
    expect(reply.headers["x-openstack-request-id"]).toMatch(/^req-/);
  });

  test("a body of more than 4 MiB is 413, one of more than 64 KiB where no request belongs too", async () => {
    const large = JSON.stringify({ server: "x".repeat(5 << 20) });
    // A client that goes on writing may see its connection closed before it reads the answer.
    const reply = await daemon.call("POST", "/v1/instances", { raw: large }).catch((error: Error) => ({
      status: /EPIPE|ECONNRESET/.test(error.message) ? 413 : error.message,
    }));
    expect(reply.status).toBe(413);
    const small = await daemon.call("POST", `${DISK}/resize`, {
      raw: JSON.stringify({ x: "x".repeat(70_000) }),
    });
    expect(small).toMatchObject({ status: 413, json: { error: { code: "InvalidRequest" } } });
  });

  test("a body whose length nobody has said is 413 as well, once it is too long", async () => {
    const head = `POST ${DISK}/resize HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n`;
    const chunk = `${(70_000).toString(16)}\r\n${"x".repeat(70_000)}\r\n`;
    expect(await rawCall(`${head}${chunk}0\r\n\r\n`)).toMatch(/^HTTP\/1\.1 413 [^]*"InvalidRequest"/);
  });

  test("what is no HTTP, and headers without end, are refused as JSON", async () => {
    expect(await rawCall("hello\r\n\r\n")).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n[^]*"InvalidRequest"/);
    const long = `GET / HTTP/1.1\r\nhost: x\r\nx-a: ${"a".repeat(40_000)}\r\n\r\n`;
    expect(await rawCall(long)).toMatch(/^HTTP\/1\.1 431 [^]*"InvalidRequest"/);
    const both =
      "POST /v1/recover HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    expect(await rawCall(both)).toMatch(/^HTTP\/1\.1 400 /);
  });

  test("nothing of all that was a failure of ours, and the daemon is well", async () => {
    expect(daemon.io.err).not.toContain("unexpected error");
    expect((await daemon.call("GET", "/readyz")).json).toMatchObject({ ready: true, running: 0, queued: 0 });
  });
});
