import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "@luksmith/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { serviceManager } from "../../src/daemon/service-manager.ts";

/** systemd's side of NOTIFY_SOCKET: prints each datagram on a line, and answers barriers as systemd does. */
const SYSTEMD = `
import array, os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind(sys.argv[1]); print("bound", flush=True)
while True:
    data, ancillary, _, _ = s.recvmsg(4096, 256)
    for _, _, fds in ancillary:
        for fd in array.array("i", fds): os.close(fd)
    print(data.decode().replace("\\n", " "), flush=True)
`;
const here = ["systemd-notify", "python3"].every((file) => spawnSync(file, ["--version"]).status === 0);

const stop = new AbortController();
const ctx = { requestId: "req-1", signal: stop.signal, log: silentLogger };
let path: string;
beforeEach(() => void (path = mkdtempSync(join(tmpdir(), "luksmith-notify-"))));
afterEach(() => rmSync(path, { recursive: true }));

describe("serviceManager", () => {
  test.runIf(here)(
    "tells systemd that it is ready, lives, and stops, also when it is told to stop",
    async () => {
      const socket = join(path, "notify");
      const systemd = spawn("python3", ["-c", SYSTEMD, socket], { stdio: ["ignore", "pipe", "inherit"] });
      let said = "";
      systemd.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()));
      const hears = async (text: string): Promise<void> => {
        while (!said.includes(text)) await once(systemd.stdout, "data");
      };
      await hears("bound");
      {
        using manager = serviceManager({ NOTIFY_SOCKET: socket, WATCHDOG_USEC: "300000" }, ctx);
        await manager.ready();
        await hears("READY=1");
        await hears("WATCHDOG=1");
        stop.abort();
        await manager.stopping();
        await hears("STOPPING=1");
        expect(said).not.toContain("undefined");
      }
      systemd.kill();
      await once(systemd, "exit");
    },
  );

  test("does no harm where nobody listens", async () => {
    using manager = serviceManager({ WATCHDOG_USEC: "1000" }, ctx);
    await expect(manager.ready()).resolves.toBeUndefined();
    await expect(manager.stopping()).resolves.toBeUndefined();
    using other = serviceManager(
      { NOTIFY_SOCKET: join(path, "gone"), WATCHDOG_USEC: "1000", WATCHDOG_PID: "1" },
      ctx,
    );
    await expect(other.ready()).resolves.toBeUndefined(); // it fails, which is logged, and the daemon goes on
  });
});
