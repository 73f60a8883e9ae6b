import type { Image, ImageBackend, ImageServices, Passphrase } from "@luksmith/core";

/** Another program's view of a disk: QEMU, cryptsetup, a kernel. */
export interface DiskOracle {
  /** Whether it opens with the passphrase; throws on anything but yes and "wrong passphrase". */
  opens(image: Image, passphrase: Passphrase): Promise<boolean>;
  /** The bytes a guest sees, whole; `passphrase` is absent for a plain disk. */
  read(image: Image, passphrase: Passphrase | undefined): Promise<Uint8Array>;
  /** Writes as a guest does. */
  write(image: Image, passphrase: Passphrase, offset: number, bytes: Uint8Array): Promise<void>;
}

/** Where snapshots go and how another program reads them. Left out by a backend that declares none. */
export interface SnapshotOracle {
  /** A name for a new file; nothing is there. */
  target(): string;
  read(path: string, format: "raw" | "qcow2", passphrase: Passphrase | undefined): Promise<Uint8Array>;
}

/** One backend with storage that no other test uses. All disks in it have at most 16 MiB. */
export interface ImageBackendFixture extends AsyncDisposable {
  readonly backend: ImageBackend;
  /** The name, and a digest of the content, of everything in the storage, and of what stands where snapshots go. */
  contents(): Promise<ReadonlyMap<string, string>>;
  /** The bytes of a disk as the storage has them, header included. */
  rawBytes(image: Image): Promise<Uint8Array>;
  /** The bytes from the start of the LUKS header on. Left out where that is the start of `rawBytes`. */
  luksBytes?(image: Image): Promise<Uint8Array>;
  /** Overwrites bytes of the storage behind the backend's back, from the start of the LUKS header on. */
  damage(image: Image, offset: number, bytes: Uint8Array): Promise<void>;
  /** Puts something else, of one MiB, under the disk's name, in place of the disk if it is there. */
  replace(image: Image): Promise<void>;
  readonly oracle: DiskOracle;
  readonly snapshots?: SnapshotOracle;
}

/** Makes a fixture whose backend uses these services. */
export type MakeImageBackend = (services: ImageServices) => Promise<ImageBackendFixture>;
