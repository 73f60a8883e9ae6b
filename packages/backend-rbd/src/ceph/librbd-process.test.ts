import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostCommands } from "@luksmith/core/host";
import { testContext } from "@luksmith/testkit";
import { expect, onTestFinished, test } from "vitest";
import { LibrbdProcess } from "./librbd-process.ts";

test.each([
  // The kernel resets the connection.
  ["with requests unread", ""],
  ["in the middle of an answer", `agent.recv(4096); agent.sendall(b'{"id": 1, "result": {"parent": nu')`],
])("a helper that dies %s is an answer to each of them, and no more", async (_, last) => {
  const folder = await mkdtemp(join(tmpdir(), "luksmith-librbd-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  // Connects, waits until there is something to read, and is gone.
  const helper = join(folder, "python");
  const script = `#!/usr/bin/env python3
import json, os, select, socket, sys
agent = socket.socket(socket.AF_UNIX)
agent.connect(sys.argv[2])
agent.sendall(json.dumps({"id": 0, "result": {}}).encode() + b"\\n")
select.select([agent], [], [])
${last}
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
