import { closeSync, constants, openSync, writeSync } from "node:fs";

/** O_TMPFILE in asm-generic/fcntl.h, without the O_DIRECTORY that differs between architectures. */
const O_TMPFILE = 0o20_000_000;

/** A secret in memory, in a file that never has a name. */
export class SecretFile implements Disposable {
  readonly fd: number;

  constructor(bytes: Uint8Array) {
    this.fd = openSync("/dev/shm", constants.O_RDWR | constants.O_DIRECTORY | O_TMPFILE, 0o600);
    writeSync(this.fd, bytes, 0, bytes.length, 0);
  }

  [Symbol.dispose](): void {
    closeSync(this.fd);
  }
}
