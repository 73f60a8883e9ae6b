import { closeSync, fdatasyncSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { formatContainer, GeneratedPassphrase, SECTOR, type VolumeKey } from "@luksmith/luks";

/** An open container of ours, without content. */
export interface OurContainer extends Disposable {
  readonly fd: number;
  /** The passphrase, for the programs we compare with. */
  readonly secret: Uint8Array;
  readonly volumeKey: VolumeKey;
  /** Bytes before the payload. */
  readonly dataOffset: bigint;
}

/** Writes a header as the agent does, and gives the file its size. The caller disposes what it gets. */
export async function makeContainer(path: string, virtualSize: number, uuid: string): Promise<OurContainer> {
  using passphrase = GeneratedPassphrase.create();
  const { header, writes, volumeKey } = formatContainer({ uuid, passphrase });
  const secret = passphrase.use((bytes) => Uint8Array.from(bytes));
  const dataOffset = header.payloadOffset * SECTOR;
  const fd = openSync(path, "wx+", 0o600);
  for (const { offset, bytes } of writes) writeSync(fd, bytes, 0, bytes.length, offset);
  ftruncateSync(fd, dataOffset + virtualSize);
  fdatasyncSync(fd);
  return {
    fd,
    secret,
    volumeKey,
    dataOffset: BigInt(dataOffset),
    [Symbol.dispose]: () => {
      volumeKey[Symbol.dispose]();
      secret.fill(0);
      closeSync(fd);
    },
  };
}
