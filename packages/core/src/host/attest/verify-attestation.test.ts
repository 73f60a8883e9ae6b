import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { DiskAttestation } from "../../attest/attest-disk.ts";
import type { HostConfig } from "../../config/host-config.ts";
import { publicPem, signEnvelope } from "../signing/index.ts";
import { type Attestation, ATTESTATION_TYPE, LIMITS, seedFor } from "./attestation.ts";
import { verifyAttestation, type VerifiedAttestation } from "./verify-attestation.ts";

const folder = mkdtempSync(join(tmpdir(), "luksmith-attest-"));
afterAll(() => rmSync(folder, { recursive: true }));

const { privateKey } = generateKeyPairSync("ed25519");
const keyFile = join(folder, "key.pem");
writeFileSync(keyFile, publicPem(privateKey));
const config = { luksmith: { state_path: join(folder, "none") } } as HostConfig;
const NOW = new Date("2026-05-05T12:00:00Z");
const HOUR = 3_600_000;
const UUID = "0b9ab4b5-6f3c-4a0d-9f0e-5f6d6b1b8a01";
const NONCE = "challenge-1";

const GOOD: DiskAttestation = {
  uuid: UUID,
  instance: "7d7f9d0c-5a2f-4a3b-8a29-7c9b2e7b9c11",
  name: "disk",
  backend: "raw",
  path: "/disk",
  virtual_size: 1 << 20,
  encryption_format: "luks",
  base: null,
  checks: ["size", "header", "passphrase", "wrong-passphrase"].map((name) => ({
    name,
    result: "pass",
    message: "",
  })),
  header: {
    uuid: UUID,
    cipher: "aes-xts-plain64",
    hash: "sha256",
    key_bits: 512,
    payload_offset: 4096,
    digest_iterations: 1000,
    key_slots: [{ slot: 0, iterations: 1000 }],
    sha256: "00",
  },
  sampling: {
    seed: seedFor(NONCE, UUID),
    places: 256,
    bytes_each: 4096,
    not_stored: 0,
    statistics: {
      sectors: 2048,
      zero: 0,
      judged: 2048,
      low_entropy: 0,
      chi_square: 250,
      repeated_blocks: 0,
      magic: [],
    },
    sha256: "00",
    false_positive: 1e-10,
    detects: { fraction: 0.01, confidence: 0.99 },
  },
  unread: null,
};

interface Asked {
  readonly nonce?: string | undefined;
  readonly now?: Date;
  readonly type?: string;
}

async function verify(
  change: Partial<Attestation>,
  { nonce, now = NOW, type = ATTESTATION_TYPE }: Asked = {},
) {
  const statement = {
    kind: "luksmith.attestation",
    version: 1,
    id: "1",
    issued_at: new Date(NOW.getTime() - HOUR / 2).toISOString(),
    nonce: NONCE,
    host: { name: "h", key_id: "k" },
    disks: [GOOD],
    limits: LIMITS,
    ...change,
  };
  const file = join(folder, "statement");
  writeFileSync(file, JSON.stringify(signEnvelope(type, statement, privateKey)));
  return await verifyAttestation(config, file, { keyFile, nonce, maxAgeMs: HOUR }, now);
}

async function said(change: Partial<DiskAttestation>): Promise<string> {
  const { ok, objections }: VerifiedAttestation = await verify({ disks: [{ ...GOOD, ...change }] });
  expect(ok).toBe(false);
  return objections[UUID]?.join("; ") ?? "";
}

const header = (change: object) => said({ header: { ...GOOD.header!, ...change } });

describe("a statement", () => {
  test("is accepted that is new, answers the nonce, and against which nothing speaks", async () => {
    expect(await verify({}, { nonce: NONCE })).toMatchObject({ ok: true, objections: { [UUID]: [] } });
    expect(await verify({})).toMatchObject({ ok: true });
  });

  test("is refused that answers another question, or none, or is too old, or from the future", async () => {
    const stale = { code: "StatementStale" };
    await expect(verify({}, { nonce: "challenge-2" })).rejects.toMatchObject(stale);
    await expect(verify({ nonce: null }, { nonce: NONCE })).rejects.toMatchObject(stale);
    const later = new Date(NOW.getTime() + HOUR);
    await expect(verify({}, { nonce: NONCE, now: later })).rejects.toMatchObject(stale);
    const earlier = new Date(NOW.getTime() - HOUR);
    await expect(verify({}, { nonce: NONCE, now: earlier })).rejects.toMatchObject(stale);
    await expect(verify({ issued_at: "yesterday" })).rejects.toMatchObject(stale);
  });

  test("is refused that is of another kind, or of a version of the future", async () => {
    const invalid = { code: "SignatureInvalid" };
    const type = "application/vnd.luksmith.erase-receipt.v1+json";
    await expect(verify({}, { type })).rejects.toMatchObject(invalid);
    await expect(verify({ version: 2 as 1 })).rejects.toMatchObject(invalid);
    await expect(verify({ disks: {} as [] })).rejects.toMatchObject(invalid);
  });

  test("says nothing without a disk", async () => {
    expect(await verify({ disks: [] })).toMatchObject({ ok: false });
  });
});

describe("what speaks against a disk, whatever the host makes of it", () => {
  test("is no encryption, one without a header, a failed check, one that was left out", async () => {
    expect(await said({ encryption_format: null })).toBe("it is not encrypted");
    expect(await said({ encryption_format: "plain", header: null })).toContain("has no header");
    const rest = GOOD.checks.slice(1);
    const short = { name: "size", result: "fail", message: "short" } as const;
    expect(await said({ checks: rest })).toContain("was not looked at: size");
    expect(await said({ checks: [short, ...rest] })).toContain("size: short");
    const half = { name: "size", result: "warn", message: "short" } as const;
    expect(await said({ checks: [half, ...rest] })).toContain("was not looked at: size");
  });

  test("is a header of other parameters, of another disk, with another key, or none", async () => {
    expect(await header({ cipher: "aes-cbc-essiv:sha256" })).toContain("not aes-xts-plain64");
    expect(await header({ hash: "sha1" })).toContain("not sha256");
    expect(await header({ key_bits: 256 })).toContain("not 512");
    expect(await header({ uuid: "x" })).toContain("that of x");
    expect(await header({ key_slots: [...GOOD.header!.key_slots, { slot: 1, iterations: 1000 }] })).toContain(
      "2 key slots",
    );
    expect(await header({ key_slots: [{ slot: 0, iterations: 10 }] })).toContain("fewer than 1000");
    expect(await said({ header: null })).toContain("could not be read");
  });

  test("is content that is no noise, storage that was not read, or was read elsewhere than the nonce asks", async () => {
    const sampling = GOOD.sampling!;
    const statistics = { ...sampling.statistics, low_entropy: 3 };
    expect(await said({ sampling: { ...sampling, statistics } })).toContain("3 of 2048");
    expect(await said({ sampling: null, unread: "EIO" })).toContain("EIO");
    expect(await said({ sampling: { ...sampling, seed: "of the host's" } })).toContain("other places");
  });
});
