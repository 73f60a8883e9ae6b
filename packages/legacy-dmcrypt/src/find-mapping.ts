import { readdir, readFile } from "node:fs/promises";
import { ioError } from "@luksmith/core";

const DEVICES = "/sys/block";
const SECTOR = 512n;

/** An active device of device-mapper. */
export interface FoundMapping {
  readonly bytes: bigint;
  /** `MAJOR:MINOR` of the one device below; undefined: there are several, or none. */
  readonly device: string | undefined;
}

/**
 * Looks for a device of device-mapper by its name, as the kernel has it: a node in /dev/mapper may be older, and to start
 * `dmsetup` takes a hundred times as long. Undefined: there is none.
 */
export async function findMapping(name: string): Promise<FoundMapping | undefined> {
  const devices = await readdir(DEVICES).catch((error: unknown) => {
    throw ioError(error, `looking for mappings in ${DEVICES}`);
  });
  const candidates = devices.filter((device) => device.startsWith("dm-"));
  const names = await Promise.all(candidates.map((device) => read(`${DEVICES}/${device}/dm/name`)));
  const found = candidates[names.indexOf(name)];
  if (found === undefined) return undefined;
  const path = `${DEVICES}/${found}`;
  const sectors = await read(`${path}/size`);
  const below = await readdir(`${path}/slaves`).catch(() => []);
  const device = below.length === 1 ? await read(`${path}/slaves/${below[0] ?? ""}/dev`) : undefined;
  // Removed meanwhile.
  if (sectors === undefined) return undefined;
  return { bytes: BigInt(sectors) * SECTOR, device };
}

async function read(path: string): Promise<string | undefined> {
  return await readFile(path, "utf8").then(
    (text) => text.trimEnd(),
    () => undefined,
  );
}
