import type { OpContext } from "@luksmith/core";
import { explained } from "../libvirt-error.ts";
import type { LibvirtMigrations, Migration, MigrationJob } from "../libvirt-migrations.ts";
import { requirePrivateWay } from "../migration/private-way.ts";
import { JOB_MIGRATION_OUT, MIGRATE, NO_FLAGS } from "./domain-numbers.ts";
import { ERROR_NUMBER, RemoteError } from "./remote-error.ts";
import type { RpcConnection } from "./rpc-connection.ts";
import { readNumbers, writeDomain, writeTextParameters } from "./wire-types.ts";
import type { XdrReader } from "./xdr-reader.ts";
import type { XdrWriter } from "./xdr-writer.ts";

const MIGRATION_TIMEOUT_MS = 3_600_000;

export class RpcMigrations implements LibvirtMigrations {
  readonly #connection: RpcConnection;

  constructor(connection: RpcConnection) {
    this.#connection = connection;
  }

  async run(uuid: string, migration: Migration, ctx: OpContext): Promise<void> {
    requirePrivateWay(migration);
    const { destinationUri, copyDisks = [], timeoutMs = MIGRATION_TIMEOUT_MS } = migration;
    const parameters = (
      [
        ["migrate_uri", migration.migrateUri],
        ["disks_uri", migration.disksUri],
        ["destination_xml", migration.destinationXml],
        ["persistent_xml", migration.destinationXml],
        ...copyDisks.map((device) => ["migrate_disks", device] as const),
      ] as const
    ).flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]));
    const flags =
      MIGRATE.live |
      MIGRATE.peerToPeer |
      MIGRATE.persistOver |
      MIGRATE.abortOnError |
      (migration.keepDefinition === true ? 0 : MIGRATE.undefineSource) |
      (migration.tls === true ? MIGRATE.tls : 0) |
      (copyDisks.length > 0 ? MIGRATE.copyDisks : 0);
    const write = (writer: XdrWriter) => {
      writeDomain(writer, uuid).optionalString(destinationUri);
      writeTextParameters(writer, parameters).opaque(new Uint8Array()).uint(flags);
    };
    await explained(`migrating guest ${uuid}`, { guest: uuid, destination: destinationUri }, () =>
      this.#connection.call("domainMigratePerform3Params", { write, read: () => {}, timeoutMs }, ctx),
    );
  }

  async job(uuid: string, ctx: OpContext): Promise<MigrationJob | undefined> {
    const read = (reader: XdrReader) => ({ active: reader.int() !== 0, numbers: readNumbers(reader) });
    const write = (writer: XdrWriter) => writeDomain(writer, uuid).uint(NO_FLAGS);
    return explained(`looking at the migration of guest ${uuid}`, { guest: uuid }, () =>
      unlessIdle(async () => {
        const { active, numbers } = await this.#connection.call("domainGetJobStats", { write, read }, ctx);
        if (!active || numbers.get("operation") !== BigInt(JOB_MIGRATION_OUT)) return undefined;
        return { done: numbers.get("data_processed") ?? 0n, total: numbers.get("data_total") ?? 0n };
      }),
    );
  }

  async abort(uuid: string, ctx: OpContext): Promise<void> {
    const write = (writer: XdrWriter) => writeDomain(writer, uuid);
    await explained(`ending the migration of guest ${uuid}`, { guest: uuid }, () =>
      unlessIdle(() => this.#connection.call("domainAbortJob", { write, read: () => {} }, ctx)),
    );
  }
}

/** A guest that does not run, or has nothing to end, is none that goes anywhere. */
async function unlessIdle<T>(run: () => Promise<T>): Promise<T | undefined> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof RemoteError && error.number === ERROR_NUMBER.operationInvalid) return undefined;
    throw error;
  }
}
