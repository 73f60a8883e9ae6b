/** Bytes from a disk's beginning in which a signature may be. */
export const SIGNATURE_BYTES = 128 * 1024;

interface Signature {
  readonly what: string;
  readonly at: number;
  readonly text: string;
}

/** Texts that chance does not make. */
const TEXTS: readonly Signature[] = [
  { what: "a partition table (GPT)", at: 512, text: "EFI PART" },
  { what: "an XFS file system", at: 0, text: "XFSB" },
  { what: "swap space", at: 4086, text: "SWAPSPACE2" },
  { what: "an NTFS file system", at: 3, text: "NTFS    " },
  { what: "a FAT file system", at: 82, text: "FAT32   " },
  { what: "a FAT file system", at: 54, text: "FAT16   " },
  { what: "an LVM physical volume", at: 512, text: "LABELONE" },
  { what: "an ISO 9660 file system", at: 32_769, text: "CD001" },
  { what: "a btrfs file system", at: 65_600, text: "_BHRfS_M" },
  { what: "a LUKS header", at: 0, text: "LUKS\u00ba\u00be" },
];

const EXT_SUPERBLOCK = 1024;
const EXT_MAGIC = 0xef53;
const MBR_MAGIC = 0xaa55;

/**
 * What a disk's first bytes are, if anything that disks begin with; undefined: noise, or something unknown. A wrong key gives noise, and noise
 * looks like one of these once in some hundred million disks.
 */
export function signatureOf(bytes: Uint8Array): string | undefined {
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (data.length > 0 && data.every((byte) => byte === 0)) return "zeros";
  const text = TEXTS.find(
    (each) => data.toString("latin1", each.at, each.at + each.text.length) === each.text,
  );
  if (text) return text.what;
  if (isExt(data)) return "an ext2, ext3 or ext4 file system";
  return isMbr(data) ? "a partition table (MBR)" : undefined;
}

/** The magic alone is two bytes, so other fields must make sense, too. */
function isExt(data: Buffer): boolean {
  if (data.length < EXT_SUPERBLOCK + 1024) return false;
  const field = (offset: number): number => data.readUInt32LE(EXT_SUPERBLOCK + offset);
  const [inodes, blocks, logBlockSize, revision] = [field(0), field(4), field(24), field(76)];
  const magic = data.readUInt16LE(EXT_SUPERBLOCK + 56);
  return magic === EXT_MAGIC && inodes > 0 && blocks > 0 && logBlockSize <= 6 && revision <= 1;
}

/** Its magic, and four entries that are active or not, and nothing else. */
function isMbr(data: Buffer): boolean {
  if (data.length < 512 || data.readUInt16LE(510) !== MBR_MAGIC) return false;
  return [446, 462, 478, 494].every((at) => data[at] === 0 || data[at] === 0x80);
}
