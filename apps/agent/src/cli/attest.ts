import { resolve } from "node:path";
import { attestDisks, CATEGORIES, verifyAttestation, writeStatement } from "@luksmith/core/host";
import { parseWhen } from "../input/parse-when.ts";
import { describeAttestation } from "../output/describe-attestation.ts";
import { printable } from "../output/table.ts";
import type { Session } from "../session.ts";

export interface CreateOptions {
  readonly nonce?: string;
  readonly samples?: number;
}

export interface VerifyOptions {
  readonly key?: string;
  readonly nonce?: string;
  readonly maxAge: string;
}

export async function create(
  session: Session,
  file: string,
  instance: string | undefined,
  disk: string | undefined,
  { nonce, samples: places }: CreateOptions,
): Promise<void> {
  const ctx = await session.context();
  const path = resolve(session.io.cwd, file);
  await using host = await session.read();
  const { statement, envelope } = await attestDisks(host, { instance, disk, nonce, places }, ctx);
  await writeStatement(path, envelope);
  await session.print(
    { path, statement },
    () =>
      `${printable(path)}: ${statement.disks.length} disks; "luksmith attest verify" judges what was seen\n`,
  );
}

export async function verify(
  session: Session,
  file: string,
  { key: keyFile, nonce, maxAge }: VerifyOptions,
): Promise<number> {
  const now = new Date();
  const maxAgeMs = now.getTime() - parseWhen(maxAge, now).getTime();
  const path = resolve(session.io.cwd, file);
  const verified = await verifyAttestation(await session.config(), path, { keyFile, nonce, maxAgeMs });
  const { ok, keyId, objections, statement } = verified;
  await session.print({ ok, key_id: keyId, objections, statement }, () => describeAttestation(verified));
  return ok ? 0 : CATEGORIES.integrity.exitCode;
}
