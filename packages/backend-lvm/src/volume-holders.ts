import { readdir, readFile, stat } from "node:fs/promises";
import { openers } from "@luksmith/core";
import { majorMinor } from "./volume-device.ts";

/** What has a volume open, for people: processes, mounts, mappings on it. */
export async function volumeHolders(path: string): Promise<readonly string[]> {
  const device = await stat(path).then(
    ({ rdev }) => majorMinor(rdev),
    () => undefined,
  );
  if (device === undefined) return [];
  const found = await Promise.all([openers(path), mountsOf(device), mappingsOn(device)]);
  return found.flat();
}

/** udev looks at every volume that was written, for a moment. */
export function isPassing(holders: readonly string[]): boolean {
  return holders.every((name) => /^\(?(systemd-udevd|udev-worker|udevd|blkid)\b/.test(name));
}

async function mountsOf(device: string): Promise<readonly string[]> {
  const lines = (await readFile("/proc/self/mountinfo", "utf8")).split("\n");
  return lines.flatMap((line) => {
    const [, , place, , mountPoint] = line.split(" ");
    return place === device ? [`a file system mounted at ${mountPoint}`] : [];
  });
}

async function mappingsOn(device: string): Promise<readonly string[]> {
  const directory = `/sys/dev/block/${device}/holders`;
  const holders = await readdir(directory).catch(() => []);
  return await Promise.all(
    holders.map(async (holder) => {
      const name = await readFile(`${directory}/${holder}/dm/name`, "utf8").catch(() => holder);
      return `the mapping ${name.trim()}`;
    }),
  );
}
