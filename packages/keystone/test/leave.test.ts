import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { testContext } from "@luksmith/testkit";
import { describe, expect, it } from "vitest";
import { clientOf, failureOf, get } from "./client.ts";
import { HttpServer, sendJson, until } from "./http-server.ts";

describe("a client that is disposed", () => {
  it("closes its connections and takes no more", async () => {
    await using server = await HttpServer.start((answer) => sendJson(answer, 200, {}));
    const client = clientOf(server.url);
    await client.request(get("/"), testContext());
    client[Symbol.dispose]();
    await until(() => server.connections.every((socket) => socket.destroyed));
    expect(await failureOf(client.request(get("/"), testContext()))).toMatchObject({ code: "InternalError" });
  });

  it("fails what is under way", async () => {
    await using server = await HttpServer.start(() => {});
    // Only the disposal ends it before the test does.
    const client = clientOf(server.url, { http: { connectTimeoutMs: 5000, timeoutMs: 600_000 } });
    const asked = failureOf(client.request(get("/"), testContext()));
    await until(() => server.seen.length === 1);
    client[Symbol.dispose]();
    expect(await asked).toMatchObject({ code: "InternalError" });
  });

  it("does not keep the process", async () => {
    await using server = await HttpServer.start((answer) => sendJson(answer, 200, {}));
    const program = `
      import { clientOf, get } from ${JSON.stringify(import.meta.resolve("./client.ts"))};
      import { silentLogger } from "@luksmith/core";
      using client = clientOf(process.argv[1]);
      const signal = new AbortController().signal;
      await client.request(get("/"), { requestId: "r", signal, log: silentLogger });
      process.stdout.write("done");
    `;
    const node = ["--conditions=luksmith-source", "--input-type=module", "--eval", program, server.url];
    const cwd = new URL("..", import.meta.url);
    const { stdout } = await promisify(execFile)(process.execPath, node, { cwd, timeout: 25_000 });
    expect(stdout).toBe("done");
  });
});
