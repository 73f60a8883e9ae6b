import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { WholeInstanceDocument } from "../../src/actions/create.ts";
import type { TemporaryHost } from "../temporary-host.ts";
import { daemonHost, DaemonProcess } from "./running-daemon.ts";

let host: TemporaryHost;
beforeEach(async () => {
  host = await daemonHost("log_level = debug");
});
afterEach(() => host[Symbol.asyncDispose]());

/** Everything with a name below the host's directory, but for disks and images. */
function files(): string {
  const names = readdirSync(host.path, { recursive: true }).map((name) => join(host.path, String(name)));
  const small = names.filter((name) => {
    const stat = statSync(name, { throwIfNoEntry: false });
    return stat?.isFile() && stat.size < 1 << 20;
  });
  return small.map((name) => readFileSync(name, "latin1")).join("\n");
}

describe("passphrases and tokens", () => {
  test("are in no log, answer, metric, argument or file; a passphrase comes only from where it is asked for", async () => {
    await using daemon = await DaemonProcess.start(host);
    const token = "gAAAAAB-a-token-to-look-for";
    const headers = { "x-auth-token": token, "idempotency-key": "key" };
    const request = host.request({ disk: 0, ephemeral: 0, swap: 16 });
    const seen: string[] = [];
    const ask = async (method: string, path: string, sent: object = {}): Promise<string> => {
      const { text } = await daemon.call(method, path, { headers: { "x-auth-token": token }, ...sent });
      seen.push(text);
      return text;
    };
    const made = JSON.parse(
      await ask("POST", "/v1/instances", { body: request, headers }),
    ) as WholeInstanceDocument;
    await ask("POST", "/v1/instances", { body: request });
    await ask("POST", "/v1/verify");
    const reveal = async ({ encryption_secret_uuid }: { encryption_secret_uuid: string | null }) =>
      (await daemon.call("POST", `/v1/secrets/${encryption_secret_uuid}/reveal`)).text;
    const secrets = await Promise.all(made.disks.map(reveal));
    await ask("POST", `/v1/instances/${made.uuid}/rekey`);
    const shown = JSON.parse(await ask("GET", `/v1/instances/${made.uuid}`)) as WholeInstanceDocument;
    secrets.push(...(await Promise.all(shown.disks.map(reveal))));
    for (const path of ["/v1/tasks", "/metrics", "/v1/instances", "/v1/host", "/docs", "/openapi.json"])
      await ask("GET", path);
    expect(new Set(secrets).size).toBe(4);
    expect(secrets.every((secret) => secret.length === 88)).toBe(true);
    const evidence = {
      log: daemon.log,
      answers: seen.join("\n"),
      command: readFileSync(`/proc/${daemon.pid}/cmdline`, "latin1"),
      environment: readFileSync(`/proc/${daemon.pid}/environ`, "latin1"),
      files: files(),
    };
    expect(evidence.log).toContain(made.uuid);
    expect(evidence.files).toContain(made.uuid);
    for (const [where, text] of Object.entries(evidence)) {
      for (const secret of [...secrets, token]) {
        for (const form of [
          secret,
          Buffer.from(secret).toString("base64"),
          Buffer.from(secret).toString("hex"),
        ]) {
          expect(text.includes(form), `a secret in ${where}`).toBe(false);
        }
      }
    }
  });
});
