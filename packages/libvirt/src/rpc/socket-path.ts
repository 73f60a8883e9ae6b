import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { LuksmithError } from "@luksmith/core";

export interface LibvirtAddress {
  /** Sockets in the order of preference; the first that exists is taken, else the last. */
  readonly sockets: readonly string[];
  /** What the daemon is asked to open: without transport and parameters. */
  readonly uri: string;
}

/** A daemon for QEMU alone, where the distribution has split libvirtd; it passes secrets on to virtsecretd. */
const SOCKETS = ["virtqemud-sock", "libvirt-sock"];

const TRANSPORTS = new Set(["qemu:", "qemu+unix:"]);

/**
 * Where `[libvirt] connection_uri` leads; empty is `qemu:///system`, as in Nova for kvm and qemu.
 * @throws `LibvirtUriUnsupported` for other hosts and other hypervisors
 */
export function libvirtAddress(
  connectionUri: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
): LibvirtAddress {
  const given = connectionUri === "" ? "qemu:///system" : connectionUri;
  const url = URL.canParse(given) ? new URL(given) : undefined;
  if (!url) throw unsupported(given, "it is no URI");
  if (!url.protocol.startsWith("qemu")) throw unsupported(given, "only QEMU's guests can have these disks");
  if (!TRANSPORTS.has(url.protocol) || url.host !== "") {
    throw unsupported(given, "it leads to another host, and disks and secrets are of this one");
  }
  if (url.pathname !== "/system" && url.pathname !== "/session") {
    throw unsupported(given, `libvirt's QEMU has /system and /session, not ${url.pathname}`);
  }
  const uri = `qemu://${url.pathname}`;
  const socket = url.searchParams.get("socket");
  if (socket !== null && socket !== "") return { sockets: [socket], uri };
  const directory = url.pathname === "/system" ? "/run/libvirt" : sessionDirectory(env);
  return { sockets: SOCKETS.map((name) => join(directory, name)), uri };
}

export function socketOf({ sockets }: LibvirtAddress): string {
  const last = sockets.at(-1) ?? "";
  return sockets.find((path) => existsSync(path)) ?? last;
}

function sessionDirectory(env: Readonly<Record<string, string | undefined>>): string {
  const runtime = env["XDG_RUNTIME_DIR"] ?? join(env["HOME"] ?? homedir(), ".cache");
  return join(runtime, "libvirt");
}

function unsupported(uri: string, why: string): LuksmithError {
  return new LuksmithError(
    "LibvirtUriUnsupported",
    `[libvirt] connection_uri = ${uri} cannot be used: ${why}; use qemu:///system, qemu:///session or qemu+unix:///system?socket=PATH`,
    { details: { uri } },
  );
}
