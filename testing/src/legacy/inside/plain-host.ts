import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import {
  type AnyLuksmithError,
  createInstance,
  type InstanceRecord,
  isLuksmithError,
  type JournalListener,
  WritableHost,
} from "@luksmith/core/host";
import { CANARY } from "../../source-image.ts";
import { TempHost } from "../../temp-host.ts";
import { importWorkspace, testContext, type TestContext } from "../../workspace.ts";

export const GROUP = process.env["LUKSMITH_TEST_VG"] ?? "";
const MIB = 1 << 20;

export interface PlainHostOptions {
  readonly enabled?: boolean;
  readonly hash?: string;
  /** Another than the run's. */
  readonly group?: string;
}

/** A host with the deprecated switch on. */
export function plainHost(options: PlainHostOptions = {}): TempHost {
  const { enabled = true, hash = "ripemd160", group = GROUP } = options;
  return new TempHost({
    imagesType: "lvm",
    plugins: ["@luksmith/backend-lvm", "@luksmith/legacy-dmcrypt", "@luksmith/keymgr-local"],
    luksmith: ["worker_threads = 1"],
    sections: [
      "[ephemeral_storage_encryption]",
      `enabled = ${enabled}`,
      "[luksmith:legacy-dmcrypt]",
      `hash = ${hash}`,
      "[libvirt]",
      `images_volume_group = ${group}`,
    ],
  });
}

export async function opened(
  host: TempHost,
  ctx: TestContext = testContext(),
  onJournal?: JournalListener,
): Promise<WritableHost> {
  const options = { importModule: importWorkspace, command: "a test", ...(onJournal ? { onJournal } : {}) };
  return await WritableHost.write(await host.config(), options, ctx);
}

/** An instance with a root disk full of canaries, and swap. */
export async function plainInstance(
  on: TempHost,
  host: WritableHost,
  { mib = 8, swap = 0 }: { readonly mib?: number; readonly swap?: number } = {},
): Promise<InstanceRecord> {
  const image = on.addImage(mib * MIB);
  // A partition table, so that it begins like a disk.
  bootSector(on.imageFile(image));
  const request = await on.request(image, { instance: randomUUID(), swap, encrypted: false });
  return await createInstance(host, request, testContext());
}

/** Makes a file or device begin like a disk with one partition. */
export function bootSector(path: string): void {
  const table = Buffer.alloc(66);
  table.set([0x80, 0, 2, 0, 0x83, 0, 2, 0, 1, 0, 0, 0, 0xff, 7, 0, 0]);
  table.set([0x55, 0xaa], 64);
  tool("dd", [`of=${path}`, "bs=1", "seek=446", "conv=notrunc,fsync", "status=none"], table);
}

/** Runs a program here; its output. */
export function tool(program: string, args: readonly string[], input?: string | Uint8Array): string {
  return execFileSync(program, [...args], {
    timeout: 60_000,
    encoding: "latin1",
    stdio: "pipe",
    ...(input ? { input } : {}),
  });
}

export function mappingOf(path: string): string {
  return `${path.split("/").at(-1)}-dmcrypt`;
}

/** Whether a device, or its first bytes, holds the canary in clear. */
export function holdsCanary(path: string, bytes = 96 * MIB): boolean {
  const fd = openSync(path, "r");
  const buffer = Buffer.alloc(4 * MIB + CANARY.length);
  try {
    for (let at = 0; at < bytes; at += 4 * MIB) {
      const got = readSync(fd, buffer, 0, buffer.length, at);
      if (buffer.subarray(0, got).includes(CANARY)) return true;
      if (got < buffer.length) break;
    }
    return false;
  } finally {
    closeSync(fd);
  }
}

export function sha256(path: string, bytes?: bigint): string {
  const read = bytes === undefined ? 'cat "$0"' : `head -c ${bytes} "$0"`;
  return tool("sh", ["-c", `${read} | sha256sum | cut -d' ' -f1`, path]).trim();
}

/** The physical volume below the group: everything that was ever written. */
export function physicalVolume(): string {
  return tool("vgs", ["--noheadings", "-o", "pv_name", GROUP]).trim();
}

export function volumes(): readonly string[] {
  return tool("lvs", ["--noheadings", "-o", "lv_name", GROUP])
    .split("\n")
    .map((name) => name.trim())
    .filter(Boolean);
}

/** How something was refused. */
export async function refusal(work: Promise<unknown>): Promise<AnyLuksmithError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (isLuksmithError(error)) return error;
  throw new Error(`must be refused, not ${String(error)}`, { cause: error });
}

/** One of several, which must be there. */
export function nth<T>(list: readonly T[], index = 0): T {
  const found = list[index];
  if (found === undefined) throw new Error(`there is no ${index} of ${list.length}`);
  return found;
}
