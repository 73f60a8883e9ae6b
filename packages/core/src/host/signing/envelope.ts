import { type KeyObject, sign, verify } from "node:crypto";
import { LuksmithError } from "../../errors/luksmith-error.ts";
import type { Json } from "../../image/rollback.ts";
import { keyIdOf } from "./public-keys.ts";

/**
 * A signed document as DSSE (https://github.com/secure-systems-lab/dsse) has it: what is signed are the payload's bytes
 * together with its type, so that nobody needs to agree on how JSON is written, and no statement passes for another kind.
 */
export interface Envelope {
  readonly payloadType: string;
  /** Base64 of the document, UTF-8 JSON. */
  readonly payload: string;
  readonly signatures: readonly {
    /** `SHA256:…`, as `keyIdOf` gives it. */
    readonly keyid: string;
    /** Base64 of the Ed25519 signature. */
    readonly sig: string;
  }[];
}

/** What a verified envelope holds, and whose it is. */
export interface Verified {
  readonly document: Json;
  /** Of the public key that fits. */
  readonly keyId: string;
}

/** @param payloadType a media type of its own for each kind of document */
export function signEnvelope(payloadType: string, document: Json, privateKey: KeyObject): Envelope {
  const body = Buffer.from(JSON.stringify(document), "utf8");
  const sig = sign(null, preAuthentication(payloadType, body), privateKey).toString("base64");
  return {
    payloadType,
    payload: body.toString("base64"),
    signatures: [{ keyid: keyIdOf(privateKey), sig }],
  };
}

/**
 * Makes sure that one of `keys` has signed what the envelope holds, as a document of this type.
 * @param value whatever somebody handed in
 * @param what for people: `the receipt FILE`
 * @throws `SignatureInvalid`: altered, or no envelope of this type; `SignerUnknown`: signed by none of `keys`
 */
export function verifyEnvelope(
  value: unknown,
  payloadType: string,
  keys: readonly KeyObject[],
  what: string,
): Verified {
  const { envelope, body } = readEnvelope(value, payloadType, what);
  const signed = preAuthentication(payloadType, body);
  for (const { keyid, sig } of envelope.signatures) {
    // By the key itself: an id is what somebody wrote there.
    const key = keys.find((each) => keyIdOf(each) === keyid);
    if (!key) continue;
    if (!verify(null, signed, key, Buffer.from(sig, "base64"))) {
      throw invalid(`${what} is not what the key ${keyid} has signed: it was altered`);
    }
    return { document: parse(body, what), keyId: keyid };
  }
  const signers = envelope.signatures.map(({ keyid }) => keyid).join(", ") || "nobody";
  throw new LuksmithError(
    "SignerUnknown",
    `${what} says that it is signed by ${signers}, which is none of the ${keys.length} public keys given; get the host's from whoever runs it ("luksmith receipt key") and name it with --key`,
    { details: { keyIds: envelope.signatures.map(({ keyid }) => keyid) } },
  );
}

/** What an envelope says, whoever wrote it: only to show, never to believe. @throws `SignatureInvalid`: it is none */
export function readUnverified(value: unknown, payloadType: string, what: string): Json {
  return parse(readEnvelope(value, payloadType, what).body, what);
}

function readEnvelope(
  value: unknown,
  payloadType: string,
  what: string,
): { readonly envelope: Envelope; readonly body: Buffer } {
  if (!isEnvelope(value)) throw invalid(`${what} is no signed document`);
  if (value.payloadType !== payloadType) {
    throw invalid(`${what} is of the type ${JSON.stringify(value.payloadType)}, not ${payloadType}`);
  }
  const body = Buffer.from(value.payload, "base64");
  // Node skips what is no base64.
  if (body.toString("base64") !== value.payload) throw invalid(`${what} has a payload that is no base64`);
  return { envelope: value, body };
}

function isEnvelope(value: unknown): value is Envelope {
  if (typeof value !== "object" || value === null) return false;
  const { payloadType, payload, signatures } = value as Partial<Record<keyof Envelope, unknown>>;
  return (
    typeof payloadType === "string" &&
    typeof payload === "string" &&
    Array.isArray(signatures) &&
    signatures.every(
      (each: unknown) =>
        typeof each === "object" &&
        each !== null &&
        typeof (each as { keyid?: unknown }).keyid === "string" &&
        typeof (each as { sig?: unknown }).sig === "string",
    )
  );
}

/** DSSE's PAE: lengths keep type and body from running into each other. */
function preAuthentication(payloadType: string, body: Buffer): Buffer {
  const type = Buffer.from(payloadType, "utf8");
  return Buffer.concat([Buffer.from(`DSSEv1 ${type.length} `), type, Buffer.from(` ${body.length} `), body]);
}

function parse(body: Buffer, what: string): Json {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body)) as Json;
  } catch (error) {
    throw invalid(`${what} holds no JSON`, error);
  }
}

function invalid(problem: string, cause?: unknown): LuksmithError {
  const message = `${problem}; get it again from where it was made`;
  return new LuksmithError("SignatureInvalid", message, cause === undefined ? {} : { cause });
}
