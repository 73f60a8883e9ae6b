import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { MemoryIo } from "./memory-io.ts";
import { TemporaryHost } from "./temporary-host.ts";

let host: TemporaryHost;
beforeEach(async () => void (host = await TemporaryHost.create()));
afterEach(() => host[Symbol.asyncDispose]());

describe("SIGINT during a create", () => {
  test("takes back what was begun and exits with 130; a second one changes nothing", async () => {
    const io = new MemoryIo({ stdin: JSON.stringify(host.request()) });
    const events: string[] = [];
    const { exitCode, out, err } = await host.run(["create", "-f", "-"], io, {
      onJournal: ({ event }) => {
        events.push(event);
        if (event.startsWith("image")) io.interrupt("SIGINT");
        if (event === "undoing") io.interrupt("SIGTERM");
      },
    });
    expect([exitCode, out]).toEqual([130, ""]);
    expect(events.at(-1)).toBe("undone");
    expect(err).toContain("luksmith: SIGINT: stopping, and taking back what was begun\n");
    expect(err).toContain("luksmith: SIGTERM: still taking back what was begun");
    expect(err).toContain("luksmith: Cancelled: ");
    expect(readdirSync(join(host.path, "instances"))).toEqual([]);
    expect(await host.json(["list"])).toEqual({ instances: [], snapshots: [], unfinished: [] });
  });

  test("leaves one JSON object on standard error with --json", async () => {
    const io = new MemoryIo({ stdin: JSON.stringify(host.request()) });
    const { exitCode, out, err } = await host.run(["create", "-f", "-", "--json"], io, {
      onJournal: ({ event }) => {
        if (event === "begin") io.interrupt("SIGTERM");
      },
    });
    expect([exitCode, out]).toEqual([130, ""]);
    expect(JSON.parse(err)).toMatchObject({ error: { code: "Cancelled", category: "cancelled" } });
  });
});
