const BLOCK = 512;

/** One file of a tar archive (POSIX ustar): its header, its content, and what fills the last block. */
export function* tarFile(name: string, content: Uint8Array, mtime: Date): Generator<Uint8Array> {
  yield tarHeader(name, content.length, mtime);
  yield content;
  yield new Uint8Array((BLOCK - (content.length % BLOCK)) % BLOCK);
}

/** What ends an archive. */
export function tarEnd(): Uint8Array {
  return new Uint8Array(2 * BLOCK);
}

function tarHeader(name: string, size: number, mtime: Date): Uint8Array {
  if (Buffer.byteLength(name) > 100) throw new RangeError(`the name ${name} is too long for ustar`);
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, length: number): void => {
    header.write(`${value.toString(8).padStart(length - 1, "0")}\0`, at, "latin1");
  };
  header.write(name, 0, "utf8");
  octal(0o600, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(Math.floor(mtime.getTime() / 1000), 136, 12);
  header.fill(" ", 148, 156);
  header.write("0", 156, "latin1");
  header.write("ustar\x0000", 257, "latin1");
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return header;
}

/**
 * Reads an archive that `tarFile` has written, file by file; content of files that `wanted` does not name is passed over.
 * @throws RangeError: it is no such archive, or ends too early
 */
export async function* readTar(
  stream: AsyncIterable<Uint8Array>,
  wanted: (name: string) => boolean,
): AsyncGenerator<{
  readonly name: string;
  readonly size: number;
  readonly content: Uint8Array | undefined;
}> {
  const source = new Blocks(stream);
  for (;;) {
    const header = await source.take(BLOCK);
    if (header[0] === 0) return;
    const name = header.toString("utf8", 0, header.indexOf(0));
    const size = Number.parseInt(header.toString("latin1", 124, 135), 8);
    if (header.toString("latin1", 257, 262) !== "ustar" || !Number.isInteger(size))
      throw new RangeError("this is no archive");
    const content = await source.take(size, wanted(name));
    await source.take((BLOCK - (size % BLOCK)) % BLOCK);
    yield { name, size, content: wanted(name) ? content : undefined };
  }
}

/** Bytes of a stream by number. */
class Blocks {
  readonly #stream: AsyncIterator<Uint8Array>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(stream: AsyncIterable<Uint8Array>) {
    this.#stream = stream[Symbol.asyncIterator]();
  }

  /** @param keep false: they are only passed over */
  async take(length: number, keep = true): Promise<Buffer> {
    const parts: Buffer[] = [];
    let left = length;
    while (left > 0) {
      if (this.#rest.length === 0) {
        const { done, value } = await this.#stream.next();
        if (done) throw new RangeError("the archive ends too early");
        this.#rest = Buffer.from(value.buffer, value.byteOffset, value.length);
      }
      const part = this.#rest.subarray(0, left);
      this.#rest = this.#rest.subarray(part.length);
      left -= part.length;
      if (keep) parts.push(Buffer.from(part));
    }
    return Buffer.concat(parts);
  }
}
