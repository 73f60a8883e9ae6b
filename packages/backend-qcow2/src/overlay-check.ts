import { constants } from "node:fs";
import { open, readdir } from "node:fs/promises";
import { dirname, isAbsolute, join, resolve } from "node:path";
import {
  errnoOf,
  type HealthFinding,
  type HealthCheck,
  type OpContext,
  throwIfCancelled,
} from "@luksmith/core";
import { Qcow2File } from "@luksmith/qcow2";

const INSTANCE = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/u;
const LUKS_MAGIC = Buffer.from("LUKS\xba\xbe", "latin1");

/** What a file in an instance's directory is. */
interface Layer {
  readonly encrypted: boolean;
  /** Absolute. */
  readonly backing: string | undefined;
}

/** Looks for plain overlays over encrypted disks: QEMU and virsh make them without a word. */
export function overlayCheck(instancesPath: string): HealthCheck {
  return {
    id: "qcow2.overlays",
    fine: `no file in ${instancesPath} is a plain overlay over an encrypted disk`,
    timeoutMs: 120_000,
    run: (_, ctx) => findOverlays(instancesPath, ctx),
  };
}

async function findOverlays(instancesPath: string, ctx: OpContext): Promise<readonly HealthFinding[]> {
  const layers = new Map<string, Layer>();
  for (const instance of (await names(instancesPath)).filter((name) => INSTANCE.test(name))) {
    throwIfCancelled(ctx);
    const directory = join(instancesPath, instance);
    for (const name of await names(directory)) {
      const layer = await look(join(directory, name));
      if (layer) layers.set(join(directory, name), layer);
    }
  }
  const findings: HealthFinding[] = [];
  for (const [file, { encrypted, backing }] of layers) {
    if (encrypted || backing === undefined) continue;
    const over = await encryptedBelow(backing, layers);
    if (over === undefined) continue;
    findings.push({
      severity: "error",
      finding: `${file} is a plain qcow2 overlay over the encrypted ${over}: what a guest writes to it lies open`,
      fix: `if a guest uses it: virsh blockcommit GUEST DEVICE --active --pivot --wait; then shred and remove ${file}. Encrypted snapshots: luksmith snapshot`,
    });
  }
  return findings;
}

/** The first encrypted file that one stands on, itself included. */
async function encryptedBelow(file: string, layers: ReadonlyMap<string, Layer>): Promise<string | undefined> {
  const seen = new Set<string>();
  for (let at: string | undefined = file; at !== undefined && !seen.has(at);) {
    seen.add(at);
    const layer: Layer | undefined = layers.get(at) ?? (await look(at));
    if (layer?.encrypted) return at;
    at = layer?.backing;
  }
  return undefined;
}

/** Reads the header only, and follows nothing. Undefined: no image, or gone. */
async function look(path: string): Promise<Layer | undefined> {
  try {
    await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    if (!(await file.stat()).isFile()) return undefined;
    const { buffer, bytesRead } = await file.read(Buffer.alloc(6), 0, 6, 0);
    if (bytesRead === 6 && buffer.equals(LUKS_MAGIC)) return { encrypted: true, backing: undefined };
    const { header } = await Qcow2File.open(file);
    const name = header.backing?.file.replace(/^file:/u, "");
    const backing = name === undefined || isAbsolute(name) ? name : resolve(dirname(path), name);
    return { encrypted: header.luks !== undefined, backing };
  } catch {
    // Another kind of file, or one that is too damaged to be used by any guest.
    return undefined;
  }
}

async function names(directory: string): Promise<readonly string[]> {
  return await readdir(directory).catch((error: unknown) => {
    if (["ENOENT", "ENOTDIR"].includes(errnoOf(error) ?? "")) return [];
    throw error;
  });
}
