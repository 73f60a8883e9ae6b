import {
  abandonMigration,
  adoptLegacy,
  type AdoptLegacy,
  findInstance,
  migrateLegacy,
  openLegacy,
  type OpenedDisk,
  type WritableHost,
} from "@luksmith/core/host";
import { type DiskDocument, diskDocuments } from "../output/disk-document.ts";
import { type Action, path } from "./action.ts";

export interface AdoptInput {
  readonly id: string;
  /** Nova's ephemeral_key_uuid. */
  readonly key: string;
  readonly hash: string | undefined;
  readonly cipher: string | undefined;
  /** Bits. */
  readonly keySize: number | undefined;
  readonly project: string | undefined;
  readonly acceptUnproven: boolean;
}

export interface MigrateInput {
  readonly id: string;
  readonly acceptUnproven: boolean;
  /** Takes back what a migration that was cut short has made. */
  readonly abandon: boolean;
}

/** Disks of one instance, as they are afterwards. */
export interface LegacyDisksDocument {
  readonly uuid: string;
  readonly disks: readonly DiskDocument[];
}

export interface OpenedDocument {
  readonly disks: readonly (Omit<OpenedDisk, "error"> & { readonly error: string | null })[];
}

export const adoptPlain: Action<AdoptInput, LegacyDisksDocument> = {
  kind: "legacy-adopt",
  request: ({ id, key, hash, cipher, keySize: key_size, project, acceptUnproven: accept_unproven }) => ({
    method: "POST",
    path: path("v1", "legacy", id, "adopt"),
    body: { key, hash, cipher, key_size, project, accept_unproven },
  }),
  run: async (host, input, ctx) => {
    const instance = await adoptLegacy(host, asRequest(input), ctx);
    return { uuid: instance.uuid, disks: diskDocuments(instance, host.config) };
  },
};

export const openPlain: Action<{ readonly id: string | undefined }, OpenedDocument> = {
  kind: "legacy-open",
  request: ({ id }) => ({
    method: "POST",
    path: id === undefined ? path("v1", "legacy", "open") : path("v1", "legacy", id, "open"),
  }),
  run: async (host, { id }, ctx) => {
    const opened = await openLegacy(host, id, ctx);
    return {
      disks: opened.map(({ instance, name, path: at, error = null }) => ({
        instance,
        name,
        path: at,
        error,
      })),
    };
  },
};

export const migratePlain: Action<MigrateInput, LegacyDisksDocument> = {
  kind: "legacy-migrate",
  request: ({ id, acceptUnproven: accept_unproven, abandon }) => ({
    method: "POST",
    path: path("v1", "legacy", id, "migrate"),
    body: { accept_unproven, abandon },
  }),
  run: async (host, { id, acceptUnproven, abandon }, ctx) => {
    const disks = abandon
      ? await abandonMigration(host, id, ctx)
      : await migrateLegacy(host, id, { acceptUnproven }, ctx);
    return await disksDocument(
      host,
      id,
      disks.map(({ uuid }) => uuid),
    );
  },
};

function asRequest({ id, key, hash, cipher, keySize, project, acceptUnproven }: AdoptInput): AdoptLegacy {
  const options = {
    ...(hash === undefined ? {} : { hash }),
    ...(cipher === undefined ? {} : { cipher }),
    ...(keySize === undefined ? {} : { key_size: keySize }),
  };
  return { uuid: id, secretId: key, options, projectId: project, acceptUnproven };
}

async function disksDocument(
  host: WritableHost,
  id: string,
  uuids: readonly string[],
): Promise<LegacyDisksDocument> {
  const instance = await findInstance(host, id);
  const disks = instance.disks.filter(({ uuid }) => uuids.includes(uuid));
  return { uuid: id, disks: diskDocuments({ ...instance, disks }, host.config) };
}
