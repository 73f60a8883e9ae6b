import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import {
  type Envelope,
  keyIdOf,
  openSigningKey,
  publicPem,
  readPublicKeys,
  readSigningKey,
  readUnverified,
  signEnvelope,
  trustedKeys,
  verifyEnvelope,
} from "./index.ts";

const TYPE = "application/vnd.luksmith.test+json";
const DOCUMENT = { disk: "é", size: 12 };

const directories: string[] = [];
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
});

function stateDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "luksmith-signing-"));
  directories.push(directory);
  return directory;
}

function pair(): { privateKey: KeyObject; publicKey: KeyObject } {
  return generateKeyPairSync("ed25519");
}

describe("the host's signing key", () => {
  test("is made at first use, for nobody else's eyes, and is the same from then on", async () => {
    const state = stateDirectory();
    expect(readSigningKey(state)).toBeUndefined();
    const made = await openSigningKey(state);
    expect(readdirSync(state)).toEqual(["signing-key.pem"]);
    expect(statSync(join(state, "signing-key.pem")).mode & 0o777).toBe(0o600);
    expect((await openSigningKey(state)).keyId).toBe(made.keyId);
    expect(readSigningKey(state)?.publicPem).toBe(made.publicPem);
  });

  test("is one, however many make it at once", async () => {
    const state = stateDirectory();
    const keys = await Promise.all(Array.from({ length: 8 }, () => openSigningKey(state)));
    expect(new Set(keys.map(({ keyId }) => keyId)).size).toBe(1);
    expect(readdirSync(state)).toEqual(["signing-key.pem"]);
  });

  test("is refused where others could have read it, as a link, and when it is damaged or of another kind", async () => {
    const state = stateDirectory();
    const path = join(state, "signing-key.pem");
    await openSigningKey(state);
    chmodSync(path, 0o640);
    await expect(openSigningKey(state)).rejects.toMatchObject({
      code: "SigningKeyUnsafe",
      message: expect.stringContaining("0640"),
    });
    chmodSync(path, 0o600);
    renameSync(path, join(state, "elsewhere"));
    symlinkSync(join(state, "elsewhere"), path);
    await expect(openSigningKey(state)).rejects.toMatchObject({ code: "SigningKeyUnsafe" });
    rmSync(path);
    writeFileSync(path, "not a key", { mode: 0o600 });
    await expect(openSigningKey(state)).rejects.toMatchObject({ code: "SigningKeyUnsafe" });
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    writeFileSync(path, privateKey.export({ type: "pkcs8", format: "pem" }));
    await expect(openSigningKey(state)).rejects.toMatchObject({ code: "SigningKeyUnsafe" });
  });
});

describe("a signed document", () => {
  test("is what was signed, for whoever has the public key alone", () => {
    const { privateKey, publicKey } = pair();
    const sent = JSON.parse(JSON.stringify(signEnvelope(TYPE, DOCUMENT, privateKey))) as unknown;
    const keys = readPublicKeys(`of host a\n${publicPem(pair().publicKey)}\n${publicPem(publicKey)}`, "file");
    expect(keys).toHaveLength(2);
    expect(verifyEnvelope(sent, TYPE, keys, "it")).toEqual({ document: DOCUMENT, keyId: keyIdOf(publicKey) });
    expect(readUnverified(sent, TYPE, "it")).toEqual(DOCUMENT);
  });

  test("holds for openssl, too", () => {
    const state = stateDirectory();
    const { privateKey, publicKey } = pair();
    const { payload, signatures } = signEnvelope(TYPE, DOCUMENT, privateKey);
    const body = Buffer.from(payload, "base64");
    const put = (name: string, bytes: Uint8Array | string): string => {
      writeFileSync(join(state, name), bytes);
      return join(state, name);
    };
    const signed = put("signed", `DSSEv1 ${TYPE.length} ${TYPE} ${body.length} ${body.toString()}`);
    const sig = put("sig", Buffer.from(signatures[0]?.sig ?? "", "base64"));
    const key = put("key", publicPem(publicKey));
    const verify = ["pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", key, "-sigfile", sig, "-in", signed];
    expect(execFileSync("openssl", verify).toString()).toContain("Verified Successfully");
    writeFileSync(signed, `${readFileSync(signed).toString()} `);
    expect(() => execFileSync("openssl", verify, { stdio: "pipe" })).toThrow();
  });

  const alter = (change: (envelope: Envelope) => unknown) => {
    const { privateKey, publicKey } = pair();
    return () => verifyEnvelope(change(signEnvelope(TYPE, DOCUMENT, privateKey)), TYPE, [publicKey], "it");
  };
  const other = Buffer.from(JSON.stringify({ ...DOCUMENT, size: 13 })).toString("base64");

  test.each<[string, (envelope: Envelope) => unknown]>([
    ["another payload", (e) => ({ ...e, payload: other })],
    ["a payload with something between", (e) => ({ ...e, payload: `${e.payload}\n` })],
    ["another type", (e) => ({ ...e, payloadType: "application/vnd.luksmith.other+json" })],
    [
      "a bit of the signature",
      (e) => ({
        ...e,
        signatures: e.signatures.map((s) => ({
          ...s,
          sig: s.sig.replace(/^./, (c) => (c === "A" ? "B" : "A")),
        })),
      }),
    ],
    ["no signature's bytes", (e) => ({ ...e, signatures: e.signatures.map((s) => ({ ...s, sig: "" })) })],
    ["no envelope", () => "text"],
    ["no signatures", (e) => ({ payload: e.payload, payloadType: e.payloadType })],
  ])("is refused with %s", (_, change) => {
    expect(alter(change)).toThrow(expect.objectContaining({ code: "SignatureInvalid" }) as Error);
  });

  test.each<[string, (envelope: Envelope) => unknown]>([
    ["an empty list of signatures", (e) => ({ ...e, signatures: [] })],
    ["another signer", () => signEnvelope(TYPE, DOCUMENT, pair().privateKey)],
  ])("is nobody's known with %s", (_, change) => {
    expect(alter(change)).toThrow(expect.objectContaining({ code: "SignerUnknown" }) as Error);
  });

  test("does not pass for another's by an id that was written over", () => {
    const known = pair();
    const forged = signEnvelope(TYPE, DOCUMENT, pair().privateKey);
    const signatures = forged.signatures.map((each) => ({ ...each, keyid: keyIdOf(known.publicKey) }));
    const check = () => verifyEnvelope({ ...forged, signatures }, TYPE, [known.publicKey], "it");
    expect(check).toThrow(expect.objectContaining({ code: "SignatureInvalid" }) as Error);
  });
});

describe("a file of public keys", () => {
  test("holds nothing else", () => {
    const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const refused = (pem: string, message: RegExp) =>
      expect(() => readPublicKeys(pem, "keys.pem")).toThrow(
        expect.objectContaining({
          code: "FileUnreadable",
          message: expect.stringMatching(message) as string,
        }) as Error,
      );
    refused("", /no public key/);
    refused(publicPem(ec.publicKey), /not ed25519/);
    refused("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", /cannot be read/);
    refused(String(pair().privateKey.export({ type: "pkcs8", format: "pem" })), /private key/);
  });
});

describe("whose signature counts", () => {
  test("is said by the file alone, else by the host's own key", async () => {
    const state = stateDirectory();
    await expect(trustedKeys(state, undefined)).rejects.toMatchObject({ code: "SignerUnknown" });
    const own = await openSigningKey(state);
    expect((await trustedKeys(state, undefined)).map(keyIdOf)).toEqual([own.keyId]);
    const { publicKey } = pair();
    const file = join(state, "auditor.pem");
    writeFileSync(file, publicPem(publicKey));
    expect((await trustedKeys(state, file)).map(keyIdOf)).toEqual([keyIdOf(publicKey)]);
    await expect(trustedKeys(state, join(state, "none"))).rejects.toMatchObject({ code: "FileUnreadable" });
    writeFileSync(file, Buffer.alloc(5 * 1024 * 1024, 32));
    await expect(trustedKeys(state, file)).rejects.toMatchObject({ code: "FileUnreadable" });
  });
});
