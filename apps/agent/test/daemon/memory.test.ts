import { openSync, closeSync, readFileSync, readSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { WholeInstanceDocument } from "../../src/actions/create.ts";
import type { TemporaryHost } from "../temporary-host.ts";
import { daemonHost, DaemonProcess } from "./running-daemon.ts";

let host: TemporaryHost;
beforeEach(async () => void (host = await daemonHost()));
afterEach(() => host[Symbol.asyncDispose]());

/** All memory that a process may write to, as a core file would have it. */
function memoryOf(pid: number): Buffer {
  const maps = readFileSync(`/proc/${pid}/maps`, "utf8").split("\n");
  const memory = openSync(`/proc/${pid}/mem`, "r");
  const parts: Buffer[] = [];
  try {
    for (const line of maps) {
      const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) ?? [];
      if (!from || !to || /\[v(?:var|syscall)/.test(line)) continue;
      const part = Buffer.alloc(Number(BigInt(`0x${to}`) - BigInt(`0x${from}`)));
      try {
        const length = readSync(memory, part, 0, part.length, BigInt(`0x${from}`) as unknown as number);
        parts.push(part.subarray(0, length));
      } catch {
        // a mapping without pages behind it
      }
    }
  } finally {
    closeSync(memory);
  }
  return Buffer.concat(parts);
}

function count(memory: Buffer, needle: string, encoding: BufferEncoding): number {
  const bytes = Buffer.from(needle, encoding);
  let found = 0;
  for (let at = memory.indexOf(bytes); at >= 0; at = memory.indexOf(bytes, at + 1)) found++;
  return found;
}

describe("the daemon's memory", () => {
  test.runIf(process.getuid?.() === 0)(
    "has no passphrase in it once the operations have ended",
    { timeout: 60_000 },
    async () => {
      const daemon = await DaemonProcess.start(host);
      const request = host.request({ disk: 0, ephemeral: 0, swap: 16 });
      const { json } = await daemon.call<WholeInstanceDocument>("POST", "/v1/instances", { body: request });
      await daemon.call("POST", "/v1/verify");
      const path = `/v1/instances/${json.uuid}/disks/disk.swap`;
      await daemon.call("POST", `${path}/snapshot`, { body: { target: `${host.path}/copy.img` } });
      const rekeyed = await daemon.call<{ disks: { encryption_secret_uuid: string }[] }>(
        "POST",
        `${path}/rekey`,
      );
      await daemon.call("POST", "/v1/verify");
      const memory = memoryOf(daemon.pid);
      await daemon.stop();
      const ids = [
        json.disks.at(0)!.encryption_secret_uuid!,
        rekeyed.json.disks.at(0)!.encryption_secret_uuid,
      ];
      expect(count(memory, ids.at(0)!, "latin1")).toBeGreaterThan(0); // the scan finds what is there
      for (const id of ids) {
        const { out, exitCode } = await host.run(["secret", "reveal", id]);
        expect([exitCode, out.length]).toEqual([0, 88]);
        expect([
          count(memory, out, "latin1"),
          count(memory, out, "utf16le"),
          count(memory, out, "base64"),
        ]).toEqual([0, 0, 0]);
      }
    },
  );
});
