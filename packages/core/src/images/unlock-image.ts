import {
  activeAreaBytes,
  createSectorCipher,
  HEADER_BYTES,
  LuksError,
  type LuksEngine,
  type Passphrase,
  parseHeader,
  type VolumeKey,
} from "@luksmith/luks";
import { isLuksmithError, LuksmithError } from "../errors/luksmith-error.ts";
import type { OpContext } from "../image/op-context.ts";
import type { KeyManager } from "../key-manager/key-manager.ts";
import type { ImageFile } from "./image-service.ts";
import {
  type ByteSource,
  checkImage,
  descriptorSource,
  ImageRefusedError,
  inspectImage,
  inspectInner,
  luksPayload,
  readQcow2Header,
  refusal,
} from "./inspector/index.ts";
import { Qcow2Guest } from "./qcow2-guest.ts";

/** What unlocking needs of the host. */
export interface UnlockServices {
  readonly keys: KeyManager;
  readonly luks: LuksEngine;
}

/** An encrypted image, opened; disposal wipes its key. */
export interface UnlockedImage extends Disposable {
  readonly volumeKey: VolumeKey;
  /** Where its ciphertext is: behind the header of a bare container, or in a qcow2 image's clusters. */
  readonly payload: { readonly offset: bigint } | Qcow2Guest;
}

const AUTHORS_FAULT: ReadonlySet<string> = new Set(["input", "unsupported"]);
/** What `Qcow2Guest` refuses: the fault of the image around the content, which cannot have these itself. */
const CONTAINER: ReadonlySet<string> = new Set(["Qcow2L1Table", "Qcow2CompressedClusters", "ImageTruncated"]);

/** The largest qcow2 header with what is read of it. */
const QCOW2_HEADER_BYTES = 112;

/**
 * Opens an encrypted image with its own secret, and checks what it holds: a plain disk, not a further image that a tool
 * would follow once it is decrypted. Nothing is decrypted but in memory, and no tool sees the file.
 * @throws `EphemeralEncryptionSecretNotFound`, `LuksPassphraseRefused`, `ImageContentRefused`, and what a container that
 * changed since its inspection is refused for
 */
export async function unlockImage(
  image: ImageFile,
  services: UnlockServices,
  ctx: OpContext,
): Promise<UnlockedImage> {
  const { encryption } = image;
  if (!encryption) throw new LuksmithError("InternalError", `image ${image.id} is not encrypted`);
  const subject = `image ${image.id}`;
  const file = descriptorSource(image.fd, image.size);
  const container = await openContainer(file, image, subject, ctx);
  using passphrase = await services.keys.get({ id: encryption.secretId }, ctx);
  const volumeKey = await openWith(passphrase, container.area, subject, encryption.secretId, services.luks);
  try {
    const cipher = createSectorCipher(volumeKey);
    const { payload } = container;
    const decrypted =
      payload instanceof Qcow2Guest ? payload.plaintext(cipher) : luksPayload(file, payload.offset, cipher);
    await checkContent(decrypted, subject, ctx);
    return { volumeKey, payload, [Symbol.dispose]: () => volumeKey[Symbol.dispose]() };
  } catch (error) {
    volumeKey[Symbol.dispose]();
    throw error;
  }
}

/** The header and key slots of an image, and where its data is. */
async function openContainer(
  file: ByteSource,
  { format, virtualSize }: ImageFile,
  subject: string,
  ctx: OpContext,
): Promise<{ readonly area: Uint8Array } & Pick<UnlockedImage, "payload">> {
  const inspection = await inspectImage(file, ctx);
  const declared = format === "raw" ? "luks" : format;
  const { match, virtualSize: now } = checkImage(inspection, declared, { subject, allowEncrypted: true });
  if (now !== virtualSize) {
    throw new LuksmithError("ImageUnacceptable", `${subject} was changed while it was read; try again`);
  }
  if (match.format === "luks" && match.facts) {
    const { payloadOffset: offset } = match.facts;
    return { area: await keySlots(file, 0n), payload: { offset } };
  }
  const crypto = match.format === "qcow2" ? match.facts?.extensions.crypto : undefined;
  if (!crypto) throw new LuksmithError("InternalError", `${subject} was accepted as encrypted, but is not`);
  const header = readQcow2Header(await file.read(0n, QCOW2_HEADER_BYTES));
  return { area: await keySlots(file, crypto.offset), payload: new Qcow2Guest(file, header, subject) };
}

async function keySlots(file: ByteSource, at: bigint): Promise<Uint8Array> {
  const header = parseHeader(await file.read(at, HEADER_BYTES));
  return file.read(at, activeAreaBytes(header));
}

async function openWith(
  passphrase: Passphrase,
  area: Uint8Array,
  subject: string,
  secretId: string,
  luks: LuksEngine,
): Promise<VolumeKey> {
  try {
    return (await luks.unlock(area, passphrase)).volumeKey;
  } catch (error) {
    if (!(error instanceof LuksError)) throw error;
    throw new LuksError(
      error.code,
      `${subject} does not open with its secret ${secretId}: ${error.message}; correct the property that names the secret`,
      { details: { ...error.details, secretId }, cause: error },
    );
  }
}

/** @throws `ImageContentRefused`, whatever the inner inspection refuses */
async function checkContent(decrypted: ByteSource, subject: string, ctx: OpContext): Promise<void> {
  try {
    await inspectInner(decrypted, ctx, { subject });
  } catch (error) {
    if (!isLuksmithError(error) || !AUTHORS_FAULT.has(error.category) || CONTAINER.has(error.code))
      throw error;
    const message = `holds, decrypted, what must not be in it: ${error.message}`;
    const details = { code: error.code, ...error.details };
    throw new ImageRefusedError(subject, {
      ...refusal("ImageContentRefused", message, details),
      cause: error,
    });
  }
}
