/** A file of an archive; directories and devices are for the guest to make. */
export interface ArchivedFile {
  readonly name: string;
  readonly content: Uint8Array;
}

const FILE = 0o100_755;
const DIRECTORY = 0o040_755;

/** The kernel's initramfs format ("newc"), with the directories that the names imply. */
export function cpio(files: readonly ArchivedFile[]): Buffer {
  const directories = [...new Set(files.flatMap(({ name }) => parents(name)))].sort();
  const entries = [
    ...directories.map((name) => ({ name, content: new Uint8Array(), mode: DIRECTORY })),
    ...files.map((file) => ({ ...file, mode: FILE })),
    { name: "TRAILER!!!", content: new Uint8Array(), mode: 0 },
  ];
  return Buffer.concat(
    entries.flatMap(({ name, content, mode }, index) => {
      const fields = [index + 1, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length + 1, 0];
      const header = `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}${name}\0`;
      return [padded(Buffer.from(header, "latin1")), padded(content)];
    }),
  );
}

function padded(bytes: Uint8Array): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
}

function parents(name: string): string[] {
  const parts = name.split("/").slice(0, -1);
  return parts.map((_, index) => parts.slice(0, index + 1).join("/"));
}
