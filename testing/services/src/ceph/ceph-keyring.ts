import { randomBytes } from "node:crypto";

/** An entity of cephx and what it may do. */
export interface CephEntity {
  /** `client.agent`, `osd.0`, `mon.` */
  readonly name: string;
  readonly caps: Readonly<Record<string, string>>;
}

/** A new key, as `ceph-authtool --gen-key` makes it: type AES, time of creation, length, 16 bytes; all little endian. */
export function newCephKey(): string {
  const head = Buffer.alloc(12);
  head.writeUInt16LE(1, 0);
  head.writeUInt32LE(Math.floor(Date.now() / 1000), 2);
  head.writeUInt16LE(16, 10);
  return Buffer.concat([head, randomBytes(16)]).toString("base64");
}

/** The text of a keyring. */
export function keyringOf(entries: readonly (CephEntity & { readonly key: string })[]): string {
  return entries
    .map(({ name, key, caps }) => {
      const lines = Object.entries(caps).map(([daemon, cap]) => `\tcaps ${daemon} = "${cap}"`);
      return [`[${name}]`, `\tkey = ${key}`, ...lines, ""].join("\n");
    })
    .join("");
}
