import { LuksmithError } from "@luksmith/core";
import type { Migration, MigrationWay } from "../libvirt-migrations.ts";

const DISKS = "the content of its disks";

/** libvirt's own, for its control: each is encrypted, or does not leave the host. */
const CONTROL = new Set(["qemu:", "qemu+unix:", "qemu+tls:", "qemu+ssh:", "qemu+libssh:", "qemu+libssh2:"]);

/**
 * Refuses a way on which others could read: a migration sends the guest's memory and the decrypted content of its disks.
 * Without TLS, only unix sockets are taken; where they lead to (an ssh tunnel) is their maker's business. Pure.
 * @throws `PlaintextCopyRefused`, `InvalidRequest`
 */
export function requirePrivateWay(migration: MigrationWay & Pick<Migration, "copyDisks">): void {
  const { destinationUri, migrateUri, disksUri, tls = false, copyDisks } = migration;
  const control = parse(destinationUri, "the destination");
  if (control.protocol === "qemu+tcp:") throw refused("the connection to the other libvirt", destinationUri);
  if (!CONTROL.has(control.protocol)) {
    throw invalid(`${destinationUri} is no URI of a libvirt with QEMU; use qemu+unix, qemu+tls or qemu+ssh`);
  }
  const local =
    control.protocol === "qemu+unix:" ? control.searchParams.get("socket") === null : control.host === "";
  if (local)
    throw invalid(`${destinationUri} is this host's own libvirt; name the other host, or the socket to it`);
  const sent = [
    ["the guest's memory", migrateUri],
    [DISKS, disksUri],
  ] as const;
  for (const [what, uri] of sent) {
    if (uri === undefined) {
      // No disk is copied, as that says expressly.
      if (what === DISKS && copyDisks?.length === 0) continue;
      if (!tls) throw refused(what, "wherever libvirt chooses");
      continue;
    }
    const { protocol, pathname, host } = parse(uri, what);
    if (protocol === "tcp:" && !tls) throw refused(what, uri);
    if (protocol !== "tcp:" && protocol !== "unix:") {
      throw invalid(`${uri} is no place for ${what}; use unix:///PATH, or tcp://HOST[:PORT] with TLS`);
    }
    if (protocol === "unix:" && (host !== "" || pathname.length < 2)) {
      throw invalid(`${uri} names no socket; use unix:///PATH`);
    }
  }
}

/** The sockets of a way. */
export function socketsOf({ migrateUri, disksUri }: MigrationWay): readonly string[] {
  return [migrateUri, disksUri].flatMap((uri) =>
    uri?.startsWith("unix:") === true ? [decodeURIComponent(new URL(uri).pathname)] : [],
  );
}

function parse(uri: string, what: string): URL {
  if (URL.canParse(uri)) return new URL(uri);
  throw invalid(`${JSON.stringify(uri)} is no URI for ${what}`);
}

function refused(what: string, where: string): LuksmithError {
  return new LuksmithError(
    "PlaintextCopyRefused",
    `${what} would be sent in clear (${where}); use unix sockets that lead to the other host (ssh -L), or TLS`,
    { details: { uri: where } },
  );
}

function invalid(why: string): LuksmithError {
  return new LuksmithError("InvalidRequest", why);
}
