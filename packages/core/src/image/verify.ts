import { activeAreaBytes, GeneratedPassphrase, lintHeader, parseHeader } from "@luksmith/luks";
import { isLuksmithError } from "../errors/luksmith-error.ts";
import type { HeaderStore } from "./header-store.ts";
import type { ImageServices } from "./image-backend.ts";
import { hasHeader, type ImageDisk } from "./image-disk.ts";
import type { OpContext } from "./op-context.ts";
import { unlockDisk } from "./unlock.ts";
import type { VerifyCheck, VerifyReport } from "./verify-report.ts";

interface Storage {
  header(): Promise<HeaderStore>;
  actualSize(): Promise<bigint>;
}

type Outcome = Omit<VerifyCheck, "name">;

/** The checks behind `Image.verify`: each states what was seen; one that cannot be made fails. */
export async function verifyDisk(
  disk: ImageDisk,
  path: string,
  services: ImageServices,
  ctx: OpContext,
  storage: Storage,
): Promise<VerifyReport> {
  const checks: VerifyCheck[] = [];
  const check = async (name: string, look: () => Promise<Outcome>): Promise<void> => {
    checks.push({ name, ...(await look().catch(failed)) });
  };
  await check("size", async () => {
    const actual = await storage.actualSize();
    return judge(actual === disk.virtualSize, `the guest sees ${actual} of ${disk.virtualSize} bytes`);
  });
  if (hasHeader(disk)) await verifyEncryption(disk, services, ctx, storage, check, checks);
  return { uuid: disk.uuid, name: disk.name, path, ok: checks.every((c) => c.result !== "fail"), checks };
}

async function verifyEncryption(
  disk: ImageDisk,
  services: ImageServices,
  ctx: OpContext,
  storage: Storage,
  check: (name: string, look: () => Promise<Outcome>) => Promise<void>,
  checks: VerifyCheck[],
): Promise<void> {
  const opened = await storage.header().catch((error: unknown) => error);
  if (!isStore(opened)) {
    checks.push({ name: "header", ...failed(opened) });
    return;
  }
  await using store = opened;
  await check("header", async () => {
    const header = parseHeader(await store.read(0, 4096, ctx));
    for (const finding of lintHeader(header, store.containerBytes)) {
      if (finding.severity === "info") continue;
      checks.push({
        name: finding.code,
        result: finding.severity === "error" ? "fail" : "warn",
        message: finding.message,
      });
    }
    return judge(
      header.uuid === disk.uuid,
      `LUKS1 ${header.cipherName}-${header.cipherMode}, ${header.keyBytes * 8} bit key, UUID ${header.uuid}`,
    );
  });
  await check("passphrase", async () => {
    using _unlocked = await unlockDisk(disk, store, services, ctx);
    return judge(true, "the stored passphrase opens the volume key");
  });
  await check("wrong-passphrase", async () => {
    const area = await store.read(0, activeAreaBytes(parseHeader(await store.read(0, 4096, ctx))), ctx);
    using wrong = GeneratedPassphrase.create();
    const refused = await services.luks.unlock(area, wrong).then(
      ({ volumeKey }) => (volumeKey[Symbol.dispose](), false),
      (error: unknown) => isLuksmithError(error) && error.code === "LuksPassphraseRefused",
    );
    return judge(refused, refused ? "a random passphrase is refused" : "a random passphrase was not refused");
  });
}

function judge(pass: boolean, message: string): Outcome {
  return { result: pass ? "pass" : "fail", message };
}

function failed(error: unknown): Outcome {
  return { result: "fail", message: error instanceof Error ? error.message : String(error) };
}

function isStore(value: unknown): value is HeaderStore {
  return typeof value === "object" && value !== null && Symbol.asyncDispose in value;
}
