import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { WholeInstanceDocument } from "../../src/actions/create.ts";
import type { TemporaryHost } from "../temporary-host.ts";
import { passphraseOf } from "./guest-daemon.ts";
import { countInMemory, formsOf } from "./process-memory.ts";
import { daemonHost, DaemonProcess } from "./running-daemon.ts";

let host: TemporaryHost;
beforeEach(async () => void (host = await daemonHost()));
afterEach(() => host[Symbol.asyncDispose]());

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
      const ids = [
        json.disks.at(0)!.encryption_secret_uuid!,
        rekeyed.json.disks.at(0)!.encryption_secret_uuid,
      ];
      const secrets = await Promise.all(ids.map((id) => passphraseOf(host, id)));
      expect(secrets.map(({ length }) => length)).toEqual([88, 88]);
      // The scan finds what is there.
      expect(
        countInMemory(
          daemon.pid,
          ids.map((id) => Buffer.from(id)),
        ).every((count) => count > 0),
      ).toBe(true);
      expect(new Set(countInMemory(daemon.pid, secrets.flatMap(formsOf)))).toEqual(new Set([0]));
      await daemon.stop();
    },
  );
});
