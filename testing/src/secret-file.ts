import { constants } from "node:fs";
import { open } from "node:fs/promises";
import type { Passphrase } from "@luksmith/core";

/** O_TMPFILE without O_DIRECTORY, asm-generic/fcntl.h */
const O_TMPFILE = 0o20_000_000;

/**
 * Lends a passphrase to an external tool as a nameless file in memory. The tool inherits `fd` as its descriptor 3 and
 * opens `/dev/fd/3`.
 */
export async function withSecretFile<T>(passphrase: Passphrase, use: (fd: number) => Promise<T>): Promise<T> {
  const flags = constants.O_RDWR | constants.O_DIRECTORY | O_TMPFILE;
  const file = await open("/dev/shm", flags, 0o600);
  try {
    await passphrase.use((bytes) => file.write(bytes, 0, bytes.length, 0));
    return await use(file.fd);
  } finally {
    await file.close();
  }
}

/** Takes a passphrase to an external tool where there may be none. */
export async function withOptionalSecret<T>(
  passphrase: Passphrase | undefined,
  use: (fds: readonly number[]) => Promise<T>,
): Promise<T> {
  return passphrase ? await withSecretFile(passphrase, (fd) => use([fd])) : await use([]);
}
