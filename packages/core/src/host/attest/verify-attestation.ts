import { objections } from "../../attest/objections.ts";
import type { HostConfig } from "../../config/host-config.ts";
import { LuksmithError } from "../../errors/luksmith-error.ts";
import { readSmallJson, trustedKeys, verifyEnvelope } from "../signing/index.ts";
import { type Attestation, ATTESTATION_TYPE, seedFor } from "./attestation.ts";

/** How far the clocks of host and auditor may differ. */
const SKEW_MS = 5 * 60_000;

export interface AttestationPolicy {
  /** Public keys in PEM; undefined: this host's own. */
  readonly keyFile: string | undefined;
  /** What the statement must answer; undefined: anything, or nothing. */
  readonly nonce: string | undefined;
  readonly maxAgeMs: number;
}

/** A statement that somebody handed in, verified and judged. */
export interface VerifiedAttestation {
  readonly statement: Attestation;
  /** Of the key that signed it. */
  readonly keyId: string;
  /** Nothing speaks against any disk. */
  readonly ok: boolean;
  /** By the disk's UUID; made here, from the facts. */
  readonly objections: Readonly<Record<string, readonly string[]>>;
}

/**
 * Makes sure that a statement is new, and that the owner of a key has signed it, and judges what it says. Needs nothing of the host but its
 * public key.
 * @throws `SignatureInvalid`, `SignerUnknown`, `StatementStale`, `FileUnreadable`, `SigningKeyUnsafe`
 */
export async function verifyAttestation(
  config: HostConfig,
  file: string,
  { keyFile, nonce, maxAgeMs }: AttestationPolicy,
  now = new Date(),
): Promise<VerifiedAttestation> {
  const envelope = await readSmallJson(file);
  const keys = await trustedKeys(config.luksmith.state_path, keyFile);
  const what = `the attestation ${file}`;
  const { document, keyId } = verifyEnvelope(envelope, ATTESTATION_TYPE, keys, what);
  if (!isAttestation(document)) {
    throw new LuksmithError(
      "SignatureInvalid",
      `${what} is signed, but is of a version that is not understood here; use a newer luksmith`,
    );
  }
  requireFresh(document, what, nonce, maxAgeMs, now);
  const said = Object.fromEntries(
    document.disks.map((disk) => [disk.uuid, [...objections(disk), ...chosenElsewhere(document, disk)]]),
  );
  const ok = document.disks.length > 0 && Object.values(said).every((each) => each.length === 0);
  return { statement: document, keyId, ok, objections: said };
}

function requireFresh(
  { issued_at: issued, nonce: given }: Attestation,
  what: string,
  nonce: string | undefined,
  maxAgeMs: number,
  now: Date,
): void {
  if (nonce !== undefined && nonce !== given) {
    const has = given === null ? "has no nonce" : "answers another nonce";
    throw stale(`${what} ${has}: it was made for another question, or at another time`);
  }
  const age = now.getTime() - new Date(issued).getTime();
  if (!(age <= maxAgeMs)) throw stale(`${what} was made ${issued}, longer ago than ${maxAgeMs / 1000} s`);
  if (age < -SKEW_MS)
    throw stale(`${what} was made ${issued}, which is still to come; one of the clocks is wrong`);
}

/** With a nonce, places are no choice of the host's. */
function chosenElsewhere({ nonce }: Attestation, disk: Attestation["disks"][number]): readonly string[] {
  if (nonce === null || !disk.sampling) return [];
  return disk.sampling.seed === seedFor(nonce, disk.uuid)
    ? []
    : ["it was looked at in other places than the nonce asks for"];
}

function stale(problem: string): LuksmithError {
  return new LuksmithError("StatementStale", `${problem}; have the host make a new one`);
}

function isAttestation(document: unknown): document is Attestation {
  if (typeof document !== "object" || document === null) return false;
  const { kind, version, disks } = document as Partial<Attestation>;
  return kind === "luksmith.attestation" && version === 1 && Array.isArray(disks);
}
