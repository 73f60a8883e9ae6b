import { randomUUID } from "node:crypto";
import { GeneratedPassphrase, type Passphrase } from "@luksmith/core";
import { type InstanceRequest, parseRequest } from "@luksmith/core/host";
import { runTool } from "./run-tool.ts";
import { withSecretFile } from "./secret-file.ts";
import { type TempHost } from "./temp-host.ts";
import { testContext } from "./workspace.ts";

export type SourceKind = "raw" | "qcow2";

/** An image of a temporary host that is encrypted with a secret of its own. */
export interface EncryptedSource {
  readonly id: string;
  readonly kind: SourceKind;
  readonly secretId: string;
}

/** QEMU's PBKDF2 calibration fails now and then, and takes its output file along. */
const TRIES = 10;

/** Has QEMU encrypt what is at `plain`, and stores the passphrase in the host's key manager. */
export async function addEncryptedImage(
  temp: TempHost,
  kind: SourceKind,
  plain: { readonly path: string; readonly format?: string },
  options: readonly string[] = [],
): Promise<EncryptedSource> {
  using passphrase = GeneratedPassphrase.create();
  const id = randomUUID();
  await encryptWithQemu(kind, plain, temp.imageFile(id), passphrase, options);
  return { id, kind, secretId: await storeSecret(temp, passphrase) };
}

export async function storeSecret(temp: TempHost, passphrase: GeneratedPassphrase): Promise<string> {
  await using host = await temp.write();
  const services = await host.services();
  return (await services.keys.create({ name: `image ${randomUUID()}`, passphrase }, testContext())).id;
}

async function encryptWithQemu(
  kind: SourceKind,
  { path, format = "raw" }: { readonly path: string; readonly format?: string },
  target: string,
  passphrase: Passphrase,
  options: readonly string[],
): Promise<void> {
  const encryption =
    kind === "raw"
      ? ["-O", "luks", "-o", "key-secret=sec0,iter-time=10"]
      : [
          "-O",
          "qcow2",
          "-o",
          ["encrypt.format=luks,encrypt.key-secret=sec0,encrypt.iter-time=10", ...options].join(),
        ];
  const args = [
    "convert",
    "--object",
    "secret,id=sec0,file=/dev/fd/3",
    "-f",
    format,
    ...encryption,
    path,
    target,
  ];
  for (let attempt = 1; ; attempt++) {
    try {
      await withSecretFile(passphrase, (fd) => runTool("qemu-img", args, { fds: [fd] }));
      return;
    } catch (error) {
      if (attempt === TRIES) throw error;
    }
  }
}

export interface SourceKnobs {
  readonly properties?: Readonly<Record<string, string>>;
  readonly encrypted?: boolean;
}

/** REQUEST.json for a server whose root disk is made of an encrypted image. */
export function requestOf(
  temp: TempHost,
  { id, kind, secretId }: EncryptedSource,
  { properties = { hw_ephemeral_encryption_secret_uuid: secretId }, encrypted = true }: SourceKnobs = {},
): Promise<InstanceRequest> {
  const json = temp.json(id, { diskFormat: kind, encrypted });
  const { image } = json as { image: object };
  return parseRequest({ ...json, image: { ...image, ...properties } });
}
