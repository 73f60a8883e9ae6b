import { chmodSync, chownSync, lstatSync, statSync, unlinkSync } from "node:fs";
import type { Server } from "node:http";
import { once } from "node:events";
import { connect } from "node:net";
import { dirname } from "node:path";
import { errnoOf, ioError, LuksmithError } from "@luksmith/core/host";

/**
 * Listens on a unix socket that only its owner, or `group` too, can connect to: node cannot ask the kernel who is on the other
 * side, so the permissions of the socket and of all directories above it are what keeps others out.
 * @param group gid; undefined: nobody else
 * @throws `SocketUnsafe`, `SocketInUse`
 */
export async function listen(server: Server, path: string, group: number | undefined): Promise<void> {
  checkDirectories(path);
  await removeStale(path);
  const before = process.umask(0o177); // never open to others, not for a moment
  try {
    server.listen(path);
  } finally {
    process.umask(before);
  }
  try {
    await once(server, "listening");
    if (group === undefined) return;
    chownSync(path, -1, group);
    chmodSync(path, 0o660);
  } catch (error) {
    server.close();
    throw ioError(error, `listening on ${path}`, { path });
  }
}

/** Whoever can rename what is above the socket can put one of his own there, and is told tokens. */
function checkDirectories(path: string): void {
  const me = process.geteuid?.() ?? 0;
  const parent = dirname(path);
  for (let at = parent; ; at = dirname(at)) {
    const stat = statSync(at, { throwIfNoEntry: false });
    if (!stat?.isDirectory()) {
      throw unsafe(
        path,
        `the directory ${at} does not exist`,
        `make it (under systemd, RuntimeDirectory= does)`,
      );
    }
    if (stat.uid !== 0 && stat.uid !== me) {
      throw unsafe(path, `${at} belongs to uid ${stat.uid}`, `run: chown ${me} ${at}`);
    }
    const sticky = (stat.mode & 0o1000) !== 0 && at !== parent;
    if ((stat.mode & 0o022) !== 0 && !sticky) {
      throw unsafe(path, `others may write to ${at}`, `run: chmod go-w ${at}`);
    }
    if (at === dirname(at)) return;
  }
}

/** What an earlier daemon left when it was killed. */
async function removeStale(path: string): Promise<void> {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (!stat) return;
  if (!stat.isSocket()) throw unsafe(path, "it is there already and no socket", "move it away");
  if (await answers(path)) {
    throw new LuksmithError(
      "SocketInUse",
      `another program listens on ${path}; stop it, or set another [luksmith] socket`,
      { details: { path } },
    );
  }
  unlinkSync(path);
}

async function answers(path: string): Promise<boolean> {
  const socket = connect(path);
  try {
    await once(socket, "connect");
    return true;
  } catch (error) {
    if (errnoOf(error) === "ECONNREFUSED" || errnoOf(error) === "ENOENT") return false;
    throw ioError(error, `looking who listens on ${path}`, { path });
  } finally {
    socket.destroy();
  }
}

function unsafe(path: string, problem: string, repair: string): LuksmithError {
  return new LuksmithError("SocketUnsafe", `the socket ${path} would not be safe: ${problem}; ${repair}`, {
    details: { path },
  });
}
