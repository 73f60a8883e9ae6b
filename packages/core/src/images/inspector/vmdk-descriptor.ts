import { printable } from "./printable.ts";
import type { Refusals } from "./refusal.ts";

/** QEMU looks at 10 KiB of it for a parent, VMware writes 10 KiB. */
export const MAX_DESCRIPTOR_BYTES = 64 * 1024;

const EXTENT = /^(?:rw|rdonly|noaccess)\s/u;
const EXTENT_PARTS = /^(\w+)\s+(\d{1,19})\s+(\w+)\s+"([^"]*)"(?:\s+(\d{1,19}))?$/u;
const NO_PARENT = "ffffffff";

/** An extent line: `RW 20480 SPARSE "disk.vmdk"`, all in lower case. */
export interface VmdkExtent {
  readonly access: string;
  readonly sectors: bigint;
  readonly type: string;
  readonly file: string;
}

/** The descriptor's facts, in lower case. */
export interface VmdkDescriptor {
  readonly createType: string;
  readonly cid?: string;
  readonly extents: readonly VmdkExtent[];
}

/**
 * Reads a descriptor line by line and refuses every line it does not understand. QEMU instead searches the text for the
 * first `createType`, `parentCID` and `parentFileNameHint`, in comments too: what both read must be the same.
 * Format: VMware "Virtual Disk Format 5.0", "The Descriptor File"; QEMU `block/vmdk.c`.
 */
export function readDescriptor(bytes: Uint8Array, refusals: Refusals): VmdkDescriptor | undefined {
  const end = bytes.indexOf(0);
  const used = end < 0 ? bytes : bytes.subarray(0, end);
  if (end >= 0 && bytes.subarray(end).some((byte) => byte !== 0))
    return invalid("text behind its end", refusals);
  if (used.some((byte) => byte > 0x7e || (byte < 0x20 && byte !== 9 && byte !== 10 && byte !== 13))) {
    return invalid("bytes that are not ASCII text", refusals);
  }
  const text = Buffer.from(used).toString("latin1").toLowerCase();
  if (text.includes("parentfilenamehint")) return hasParent("a parent file", refusals);
  if (count(text, "createtype") !== 1 || count(text, "parentcid") > 1) {
    return invalid("no createType, or createType or parentCID twice", refusals);
  }
  return readLines(text, refusals);
}

function readLines(text: string, refusals: Refusals): VmdkDescriptor | undefined {
  const headers = new Map<string, string>();
  const extents: VmdkExtent[] = [];
  for (const line of text.split(/\r?\n/u).map((raw) => raw.trim())) {
    if (line === "" || line.startsWith("#") || line.startsWith("ddb")) continue;
    const equals = line.indexOf("=");
    if (EXTENT.test(line)) {
      const extent = readExtent(line);
      if (!extent) return invalid(`the extent line ${printable(line)}`, refusals);
      extents.push(extent);
    } else if (equals > 0 && /^\w+\s*$/u.test(line.slice(0, equals))) {
      headers.set(line.slice(0, equals).trim(), unquoted(line.slice(equals + 1)));
    } else {
      return invalid(`the line ${printable(line)}`, refusals);
    }
  }
  const createType = headers.get("createtype");
  if (createType === undefined) return invalid("createType in a comment only", refusals);
  const parent = headers.get("parentcid") ?? NO_PARENT;
  if (parent !== NO_PARENT) return hasParent(`the parent ${printable(parent)}`, refusals);
  const cid = headers.get("cid");
  return {
    createType: printable(createType),
    extents,
    ...(cid === undefined ? {} : { cid: printable(cid) }),
  };
}

function readExtent(line: string): VmdkExtent | undefined {
  const [, access, sectors, type, file] = EXTENT_PARTS.exec(line) ?? [];
  if (access === undefined || sectors === undefined || type === undefined || file === undefined)
    return undefined;
  return { access, sectors: BigInt(sectors), type, file };
}

function invalid(what: string, refusals: Refusals): undefined {
  refusals.add("VmdkDescriptorInvalid", `has a descriptor with ${what}`);
  return undefined;
}

function hasParent(what: string, refusals: Refusals): undefined {
  refusals.add("VmdkHasParent", `has ${what}; export the whole disk instead of a snapshot's delta`);
  return undefined;
}

function count(text: string, word: string): number {
  return text.split(word).length - 1;
}

function unquoted(value: string): string {
  const trimmed = value.trim();
  return /^".*"$/u.test(trimmed) ? trimmed.slice(1, -1) : trimmed;
}
