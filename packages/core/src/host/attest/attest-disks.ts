import { randomBytes, randomUUID } from "node:crypto";
import { hostname } from "node:os";
import type { DiskAttestation } from "../../attest/attest-disk.ts";
import { LuksmithError } from "../../errors/luksmith-error.ts";
import type { OpContext } from "../../image/op-context.ts";
import { checkStateDirectory } from "../../journal/state-directory.ts";
import type { ReadableHost } from "../host.ts";
import { findInstance } from "../operations/verify-disks.ts";
import { type Envelope, openSigningKey, signEnvelope } from "../signing/index.ts";
import { type Attestation, ATTESTATION_TYPE, LIMITS, seedFor } from "./attestation.ts";

/** A disk of any size is looked at in less than a second by these, on most storage. */
export const DEFAULT_PLACES = 2048;

export interface AttestRequest {
  /** Undefined: each of this host. */
  readonly instance?: string | undefined;
  /** Its name in disk_info; undefined: each of the instance. */
  readonly disk?: string | undefined;
  /** Of the auditor's. */
  readonly nonce?: string | undefined;
  /** Places of each disk that are looked at. */
  readonly places?: number | undefined;
}

/**
 * Looks at disks and signs what was seen, with the host's key. Changes nothing on them; may be asked while guests run.
 * @throws `InstanceNotFound`, `DiskNotFound`, `SigningKeyUnsafe`
 */
export async function attestDisks(
  host: ReadableHost,
  { instance, disk, nonce, places = DEFAULT_PLACES }: AttestRequest,
  ctx: OpContext,
): Promise<{ readonly statement: Attestation; readonly envelope: Envelope }> {
  const found = instance === undefined ? (host.inventory?.instances() ?? []) : [findInstance(host, instance)];
  const records = found
    .flatMap(({ disks }) => disks)
    .filter(({ name }) => disk === undefined || name === disk);
  if (records.length === 0) throw nothingThere(instance, disk);
  const { state_path: statePath } = host.config.luksmith;
  checkStateDirectory(statePath, { create: true });
  // Before anything is looked at: that may take long.
  const { privateKey, keyId } = await openSigningKey(statePath);
  const services = await host.services();
  const disks: DiskAttestation[] = [];
  for (const record of records) {
    const { backend, uuid, backing } = record;
    const seed = nonce === undefined ? randomBytes(16).toString("hex") : seedFor(nonce, uuid);
    const place = { backend, base: backing?.file };
    disks.push(await services.backend(backend).image(record).attest(place, { seed, places }, ctx));
  }
  const statement: Attestation = {
    kind: "luksmith.attestation",
    version: 1,
    id: randomUUID(),
    issued_at: new Date().toISOString(),
    nonce: nonce ?? null,
    host: { name: hostname(), key_id: keyId },
    disks,
    limits: LIMITS,
  };
  return { statement, envelope: signEnvelope(ATTESTATION_TYPE, statement, privateKey) };
}

function nothingThere(instance: string | undefined, disk: string | undefined): LuksmithError {
  return new LuksmithError(
    "DiskNotFound",
    instance === undefined
      ? "this host has no disks to attest"
      : `instance ${instance} has no disk ${disk ?? ""}; "luksmith show" lists those it has`,
  );
}
