/** Writes XDR (RFC 4506) as libvirt uses it. The buffer may hold a secret: its owner wipes it after use. */
export class XdrWriter {
  // Not from Node's pool, which others share.
  #bytes = Buffer.allocUnsafeSlow(256);
  #length = 0;

  int(value: number): this {
    const at = this.#grow(4);
    this.#bytes.writeInt32BE(value, at);
    return this;
  }

  uint(value: number): this {
    const at = this.#grow(4);
    this.#bytes.writeUInt32BE(value, at);
    return this;
  }

  hyper(value: bigint): this {
    const at = this.#grow(8);
    this.#bytes.writeBigUInt64BE(value, at);
    return this;
  }

  string(value: string): this {
    return this.opaque(Buffer.from(value));
  }

  optionalString(value: string | undefined): this {
    return value === undefined ? this.uint(0) : this.uint(1).string(value);
  }

  opaque(value: Uint8Array): this {
    return this.uint(value.length).fixed(value);
  }

  fixed(value: Uint8Array): this {
    const padding = (4 - (value.length % 4)) % 4;
    const at = this.#grow(value.length + padding);
    this.#bytes.set(value, at);
    this.#bytes.fill(0, at + value.length, at + value.length + padding);
    return this;
  }

  /** What was written; a view of the writer's buffer. */
  done(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  #grow(by: number): number {
    const at = this.#length;
    this.#length += by;
    if (this.#length > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(this.#length, this.#bytes.length * 2));
      this.#bytes.copy(larger);
      // What was outgrown may hold a secret.
      this.#bytes.fill(0);
      this.#bytes = larger;
    }
    return at;
  }
}
