import { readdir, readFile } from "node:fs/promises";
import { ioError, type OpenMapping } from "@luksmith/core";
import { SUFFIX } from "./luks-mapping.ts";
import { diskOfVolume } from "./volume-name.ts";

const DEVICES = "/sys/block";

/** LUKS disks that the kernel has open under the names that `LuksMapping` gives. */
export async function listMappings(): Promise<readonly OpenMapping[]> {
  const devices = await readdir(DEVICES).catch((error: unknown) => {
    throw ioError(error, `looking for mappings in ${DEVICES}`);
  });
  const found: OpenMapping[] = [];
  for (const device of devices.filter((each) => each.startsWith("dm-"))) {
    // Closed meanwhile: both are empty.
    const [name, uuid] = await Promise.all([read(device, "name"), read(device, "uuid")]);
    const disk = name.endsWith(SUFFIX) ? diskOfVolume(name.slice(0, -SUFFIX.length)) : undefined;
    const [, ...parts] = /^CRYPT-LUKS1-(.{8})(.{4})(.{4})(.{4})(.{12})-/u.exec(uuid) ?? [];
    if (disk && parts.length > 0)
      found.push({ mapping: `/dev/mapper/${name}`, ...disk, uuid: parts.join("-") });
  }
  return found;
}

async function read(device: string, file: string): Promise<string> {
  return await readFile(`${DEVICES}/${device}/dm/${file}`, "utf8").then(
    (text) => text.trim(),
    () => "",
  );
}
