import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type OwnLibvirt, startLibvirt } from "@luksmith/testing-services";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import type { SpawnedDocument } from "../../src/actions/spawned-document.ts";
import type { TemporaryHost } from "../temporary-host.ts";
import { ask, domainName, guestHost, passphraseOf, smallGuest } from "./guest-daemon.ts";
import { countInMemory, formsOf } from "./process-memory.ts";
import { DaemonProcess } from "./running-daemon.ts";

let env: OwnLibvirt;
beforeAll(async () => void (env = await startLibvirt()), 60_000);
afterAll(() => env[Symbol.asyncDispose]());

type Keyed = { readonly encryption_secret_uuid: string | null };

/** Reads each passphrase that there is now, so that it is known also when it is gone. */
async function collect(host: TemporaryHost, of: readonly Keyed[], into: Map<string, string>): Promise<void> {
  for (const { encryption_secret_uuid: id } of of) {
    if (id !== null && !into.has(id)) into.set(id, await passphraseOf(host, id));
  }
}

/** All that libvirt has written, with its names. */
function libvirtFiles(): Buffer {
  const root = env.stateDirectory;
  const names = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = names.map(({ parentPath, name }) => join(parentPath, name));
  return Buffer.concat(paths.flatMap((path) => [Buffer.from(`\n${path}\n`), readFileSync(path)]));
}

test("after guests' operations their passphrases are in libvirt's and QEMU's memory alone", async () => {
  const host = await guestHost(env);
  onTestFinished(() => host[Symbol.asyncDispose]());
  await using daemon = await DaemonProcess.start(host);
  const secrets = new Map<string, string>();
  const request = smallGuest(host);
  const { id } = request.server;
  const guest = `/v1/guests/${id}`;
  const done = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const reply = await ask<T>(host, method, path, body);
    expect([reply.status, reply.text]).toEqual([
      expect.toSatisfy((status) => status < 300),
      expect.any(String),
    ]);
    return reply.json;
  };
  const { disks } = await done<SpawnedDocument>("POST", "/v1/guests", { request });
  await collect(host, disks, secrets);
  for (const format of ["raw", "qcow2"]) {
    const target = join(host.path, `copy.${format}`);
    const path = `/v1/instances/${id}/disks/disk.swap/snapshot`;
    await collect(host, [await done<Keyed>("POST", path, { target, format })], secrets);
  }
  await done("POST", `${guest}/reboot`, { hard: true });
  await done("POST", `${guest}/stop`, { timeout_ms: 0 });
  const rekeyed = await done<{ disks: Keyed[] }>("POST", `/v1/instances/${id}/rekey`);
  await collect(host, rekeyed.disks, secrets);
  await done("POST", `${guest}/start`);
  expect(secrets.size).toBe(2 + 2 + 2);
  const forms = [...secrets.values()].flatMap(formsOf);

  // What is given as words shows up, so that the scan is known to see.
  expect(countInMemory(daemon.pid, [Buffer.from(id)])[0]).toBeGreaterThan(0);
  expect(new Set(countInMemory(daemon.pid, forms))).toEqual(new Set([0]));

  const files = libvirtFiles();
  const pid = await env.qemuPid(domainName(id));
  const shown = ["cmdline", "environ"].map((name) => readFileSync(`/proc/${pid}/${name}`));
  expect(files.includes(id)).toBe(true);
  expect(shown[0]?.includes("secret")).toBe(true);
  for (const form of forms) {
    for (const where of [files, ...shown]) expect(where.includes(form)).toBe(false);
  }
  // Those of the disks that the guest has open are where they have to be: the scan would have found them.
  const open = rekeyed.disks.map(({ encryption_secret_uuid: key }) => secrets.get(key ?? "") ?? "");
  const inQemu = countInMemory(
    pid ?? 0,
    open.map((text) => Buffer.from(text)),
  );
  expect(inQemu.every((count) => count > 0)).toBe(true);
  await done("DELETE", `/v1/instances/${id}`);
  expect(new Set(countInMemory(daemon.pid, forms))).toEqual(new Set([0]));
}, 120_000);
