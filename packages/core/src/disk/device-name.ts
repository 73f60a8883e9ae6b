import { LuksmithError } from "../errors/luksmith-error.ts";
import type { GuestContext } from "./guest-context.ts";
import type { DiskBus, DiskMapping } from "./disk-info.ts";

const LETTERS = 26;
const FIRST_LETTER = "a".charCodeAt(0);
/** The only bus whose number of devices is fixed by hardware. */
const IDE_DEVICES = 4;

const PREFIXES: Readonly<Record<DiskBus, string>> = {
  ide: "hd",
  virtio: "vd",
  scsi: "sd",
  usb: "sd",
  sata: "sd",
  fdc: "fd",
};

/** `/dev/vda` as `vda`. */
export function stripDev(name: string): string {
  return name.replace(/^\/dev\//, "");
}

/** `vda` as `/dev/vda`; names that have it stay. */
export function prependDev(name: string): string {
  return `/dev/${stripDev(name)}`;
}

/** The letters of the n-th device, counted from 0: a … z, aa, ab, … (there is no zero digit). */
export function deviceLetters(index: number): string {
  let letters = "";
  for (let rest = index; rest >= 0; rest = Math.floor(rest / LETTERS) - 1) {
    letters = String.fromCharCode(FIRST_LETTER + (rest % LETTERS)) + letters;
  }
  return letters;
}

/**
 * The first device name on a bus that neither a device of the mapping nor `assigned` has, without `/dev/`.
 *
 * `[libvirt] disk_prefix` replaces the bus's own prefix on every bus.
 *
 * @throws `TooManyDiskDevices` past 4 ide devices, or past `[compute] max_disk_devices_to_attach` on other buses
 */
export function nextDeviceName(
  context: GuestContext,
  bus: DiskBus,
  mapping: Readonly<Record<string, DiskMapping>>,
  assigned: ReadonlySet<string> = new Set(),
): string {
  const taken = new Set(Object.values(mapping).map((disk) => disk.dev));
  const prefix = context.config.disk_prefix || PREFIXES[bus];
  const limit = busLimit(context, bus);
  for (let index = 0; index < limit; index++) {
    const name = prefix + deviceLetters(index);
    if (!taken.has(name) && !assigned.has(name)) return name;
  }
  throw new LuksmithError(
    "TooManyDiskDevices",
    `the ${bus} bus takes ${limit} devices and all names are used; ask for fewer disks on this bus` +
      (bus === "ide" ? " or set hw_disk_bus on the image" : " or raise [compute] max_disk_devices_to_attach"),
    { details: { bus, maximum: limit } },
  );
}

function busLimit(context: GuestContext, bus: DiskBus): number {
  if (bus === "ide") return IDE_DEVICES;
  const configured = context.config.max_disk_devices_to_attach ?? -1;
  return configured < 0 ? Number.POSITIVE_INFINITY : configured;
}
