import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostCommands } from "@luksmith/core/host";
import { testContext } from "@luksmith/testkit";
import { expect, onTestFinished, test } from "vitest";
import { LibrbdProcess } from "./librbd-process.ts";

test("a helper that dies with requests unread is an answer to each of them, and no more", async () => {
  const folder = await mkdtemp(join(tmpdir(), "luksmith-librbd-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  // Connects, waits until there is something to read, and is gone without reading: the kernel resets the connection.
  const helper = join(folder, "python");
  const script = `#!/usr/bin/env python3
import json, os, select, socket, sys
agent = socket.socket(socket.AF_UNIX)
agent.connect(sys.argv[2])
agent.sendall(json.dumps({"id": 0, "result": {}}).encode() + b"\\n")
select.select([agent], [], [])
os._exit(9)
`;
  await writeFile(helper, script, { mode: 0o755 });
  const process = await LibrbdProcess.start(
    { python: helper, settings: {}, window: 2 },
    hostCommands(),
    testContext(),
  );
  expect(await process.connected()).toEqual({ result: {} });
  const answers = await Promise.all([process.call("stat", {}), process.call("stat", {})]);
  for (const answer of answers) expect(answer).toMatchObject({ error: { errno: "ENOTCONN" } });
  expect(process.isGone).toBe(true);
});
