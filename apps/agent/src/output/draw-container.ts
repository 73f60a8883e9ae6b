import type { ContainerDocument } from "./container-document.ts";
import { formatBytes } from "./format-bytes.ts";
import { printable } from "./table.ts";

/** A stretch of the container, in sectors of 512 bytes. */
interface Area {
  readonly start: number;
  readonly end: number;
  readonly label: string;
}

const SECTOR = 512;
const HEADER_SECTORS = 2;
/** Smaller gaps only align what follows. */
const ALIGNMENT = 8;
const WIDTH = 48;

/** The layout of a container as a picture, then what is odd about it. */
export function drawContainer(container: ContainerDocument): string {
  const { path, uuid, cipher, hash, key_bits, digest, findings } = container;
  const size = container.container_bytes;
  const bytes = size === null ? "size not known" : `${size} bytes (${formatBytes(size)})`;
  return [
    `${printable(path)}: LUKS1, ${bytes}\n\n`,
    `  uuid    ${printable(uuid)}\n`,
    `  cipher  ${printable(cipher)}, ${key_bits} bit key\n`,
    `  hash    ${printable(hash)}, volume key digest with ${digest.iterations} iterations\n\n`,
    drawAreas(withGaps(areasOf(container))),
    "\n",
    findings.length === 0 ? "nothing is odd about this header\n" : "",
    ...findings.map(({ severity, code, message }) => `${severity}: ${code}: ${printable(message)}\n`),
  ].join("");
}

function areasOf({ key_slots, payload }: ContainerDocument): readonly Area[] {
  const slots = key_slots.map(({ slot, active, iterations, offset_sectors, length_sectors }) => ({
    start: offset_sectors,
    end: offset_sectors + length_sectors,
    label: `key slot ${slot}  ${active ? `ACTIVE, ${iterations} iterations` : "disabled"}`,
  }));
  const length = payload.bytes === null ? 0 : Math.ceil(payload.bytes / SECTOR);
  const label =
    payload.bytes === null ? "payload" : `payload  ${payload.bytes} bytes (${formatBytes(payload.bytes)})`;
  const start = payload.offset_sectors;
  const data = { start, end: start + length, label };
  const header = { start: 0, end: HEADER_SECTORS, label: "header" };
  return [header, ...slots, data].sort((a, b) => a.start - b.start);
}

function withGaps(areas: readonly Area[]): readonly Area[] {
  let end = 0;
  return areas.flatMap((area) => {
    const gap = area.start - end >= ALIGNMENT ? [{ start: end, end: area.start, label: "unused" }] : [];
    end = Math.max(end, area.end);
    return [...gap, area];
  });
}

function drawAreas(areas: readonly Area[]): string {
  const edge = (sector: number | undefined, left: string, right: string): string => {
    const place = sector === undefined ? ["", ""] : [String(sector), String(sector * SECTOR)];
    return `${place.map((text) => text.padStart(14)).join("")}  ${left}${"─".repeat(WIDTH)}${right}\n`;
  };
  const rows = areas.map(({ start, label }, index) => {
    const top = index === 0 ? edge(start, "┌", "┐") : edge(start, "├", "┤");
    return `${top}${" ".repeat(30)}│ ${label.padEnd(WIDTH - 2)} │\n`;
  });
  const headings = `${"sector".padStart(14)}${"byte".padStart(14)}\n`;
  return `${headings}${rows.join("")}${edge(areas.at(-1)?.end, "└", "┘")}`;
}
