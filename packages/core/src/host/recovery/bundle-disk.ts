import { type Passphrase, parseHeader } from "@luksmith/luks";
import { LuksmithError } from "../../errors/luksmith-error.ts";
import { headerFacts, type HeaderFacts } from "../../image/header-facts.ts";
import type { OpContext } from "../../image/op-context.ts";
import type { DiskRecord } from "../../journal/inventory.ts";
import type { HostServices } from "../host-services.ts";

/** One disk of a bundle, as its `disk.json` has it. Nothing in it is secret. */
export type BundledDisk = {
  readonly uuid: string;
  readonly instance: string;
  readonly name: string;
  readonly backend: string;
  readonly path: string;
  readonly format: string;
  readonly virtual_size: number;
  /** Of the passphrase in the key manager. */
  readonly secret: string;
  readonly header: HeaderFacts;
  /** Where the header begins in `path`, in bytes; null: not known (a qcow2 image that is damaged). */
  readonly header_offset: number | null;
};

/** What opens one disk. Disposal wipes it. */
export interface DiskSecrets extends Disposable {
  readonly disk: BundledDisk;
  /** Header and key material, up to the payload: what `cryptsetup luksHeaderRestore` takes. */
  readonly header: Uint8Array;
  readonly passphrase: Passphrase;
}

/**
 * Reads a disk's header and its passphrase, and makes sure that the one opens the other. Its guest may run.
 * @throws `LuksPassphraseRefused`, `DiskNotFound`, `DiskReplaced`, `EphemeralEncryptionSecretNotFound`, …
 */
export async function secretsOf(
  services: HostServices,
  record: DiskRecord,
  ctx: OpContext,
): Promise<DiskSecrets> {
  const image = services.backend(record.backend).image(record);
  if (!(await image.requireOurs(record.identity, ctx))) {
    throw new LuksmithError("DiskNotFound", `${image.label} is not there`, { details: { path: image.path } });
  }
  const { bytes: header, offset } = await image.headerBackup(ctx);
  const secret = record.encryption?.secretId ?? "";
  const passphrase = await services.keys.get({ id: secret }, ctx);
  try {
    (await services.luks.unlock(header, passphrase)).volumeKey[Symbol.dispose]();
  } catch (error) {
    passphrase[Symbol.dispose]();
    throw error;
  }
  const { uuid, instanceUuid, name, backend, path, source, virtualSize } = record;
  const disk = {
    uuid: parseHeader(header).uuid,
    instance: instanceUuid,
    name,
    backend,
    path,
    format: source.format,
    virtual_size: Number(virtualSize),
    secret,
    header: headerFacts(header),
    header_offset: offset ?? null,
  };
  ctx.log.debug({ disk: uuid }, "bundled");
  return { disk, header, passphrase, [Symbol.dispose]: () => passphrase[Symbol.dispose]() };
}
