import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type GuestFate,
  isLuksmithError,
  type Journey,
  type LiveMigration,
  LuksmithError,
  type MigrationRoute,
  type OpContext,
} from "@luksmith/core";
import { placedDisks } from "@luksmith/core/host";
import { diskXmlOptions } from "../disk-xml.ts";
import { withOurDisks } from "../domain/with-our-disks.ts";
import type { Libvirt } from "../libvirt.ts";
import type { MigrationWay } from "../libvirt-migrations.ts";
import { requirePrivateWay, socketsOf } from "../migration/private-way.ts";
import type { LazyConnection } from "./lazy-connection.ts";
import { sendGuest, stopSending } from "./send-guest.ts";

/** Entering it, or making names in it. */
const OPEN_TO_ALL = 0o003;

const POLL_MS = 100;
const BETWEEN_MS = 3000;

/** libvirt's own migration, from daemon to daemon, with copies of the disks. */
export class LibvirtLive implements LiveMigration {
  readonly #connection: LazyConnection;

  constructor(connection: LazyConnection) {
    this.#connection = connection;
  }

  async check(route: MigrationRoute): Promise<void> {
    const way = wayOf(route);
    requirePrivateWay(way);
    for (const socket of socketsOf(way)) await requireOwnDirectory(socket);
  }

  async send(uuid: string, { arrival, config, route }: Journey, ctx: OpContext): Promise<void> {
    await this.check(route);
    const libvirt = await this.#connection.get(ctx);
    const disks = placedDisks(arrival);
    const running = await libvirt.domains.xml(uuid, ctx, "migratable");
    // Both hosts have the same images in Ceph.
    const copied = disks.filter(({ source }) => source.type !== "network");
    const { disks: socket, ...rest } = route;
    const way = copied.length > 0 ? { ...rest, disks: socket } : { ...rest, disks: undefined };
    const migration = {
      ...wayOf(way),
      copyDisks: copied.map(({ mapping }) => mapping.dev),
      destinationXml: withOurDisks(running, disks, { ...diskXmlOptions(config), uuid }),
      // A guest that is off because it went is the proof that it did.
      keepDefinition: true,
    };
    await sendGuest(libvirt, uuid, migration, ctx);
  }

  async stop(uuid: string, ctx: OpContext): Promise<void> {
    const libvirt = await this.#connection.get(ctx);
    await stopSending(libvirt, uuid, ctx).catch((error: unknown) => {
      if (!isLuksmithError(error) || error.code !== "DomainNotFound") throw error;
    });
  }

  async fate(uuid: string, ctx: OpContext): Promise<GuestFate> {
    const libvirt = await this.#connection.get(ctx);
    // For moments at the end of a migration, it is neither here nor gone.
    for (let left = BETWEEN_MS / POLL_MS; left > 0; left--) {
      const fate = await fateNow(libvirt, uuid, ctx);
      if (fate !== "between") return fate;
      await sleep(POLL_MS);
    }
    return "unknown";
  }
}

/** Why it is off is looked at last: it may go off meanwhile. */
async function fateNow(
  { domains, migrations }: Libvirt,
  uuid: string,
  ctx: OpContext,
): Promise<GuestFate | "between"> {
  if (!(await domains.find(uuid, ctx))) return "unknown";
  const job = await migrations.job(uuid, ctx);
  const state = await domains.state(uuid, ctx);
  // While it is being sent, it may end on either host.
  if (job) return "unknown";
  if (state === "running" || state === "blocked") return "here";
  if (await domains.leftByMigration(uuid, ctx)) return "gone";
  return state === "paused" ? "between" : "unknown";
}

function wayOf({ to, memory, disks, tls }: MigrationRoute): MigrationWay {
  return {
    destinationUri: to,
    tls,
    ...(memory === undefined ? {} : { migrateUri: memory }),
    ...(disks === undefined ? {} : { disksUri: disks }),
  };
}

/** Whoever reaches a socket may connect to the disks; whoever may make names beside it may listen in its place. */
async function requireOwnDirectory(socket: string): Promise<void> {
  const directory = dirname(socket);
  const found = await stat(directory).catch(() => undefined);
  if (!found?.isDirectory()) {
    throw new LuksmithError("InvalidRequest", `there is no directory ${directory} for ${socket}; make it`);
  }
  if ((found.mode & OPEN_TO_ALL) === 0) return;
  throw new LuksmithError(
    "PlaintextCopyRefused",
    `anybody may reach ${socket}: ${directory} is open to all; use a directory of mode 0700 that is QEMU's`,
    { details: { path: directory } },
  );
}
