import { LuksmithError } from "../../errors/luksmith-error.ts";
import { DEFAULT_POLICY, type InspectionPolicy } from "./check-policy.ts";
import { declarationOf } from "./declared-format.ts";
import type { FormatMatch, Inspection } from "./inspect-image.ts";
import type { PartitionTable } from "./partition-table.ts";
import { isEncrypted, policyRefusals } from "./policy-refusals.ts";
import { type Refusal, refusal } from "./refusal.ts";
import { ImageRefusedError } from "./refusal-error.ts";

/** QEMU's driver for each format that is ever accepted; always given to `qemu-img` as `-f`. */
const DRIVERS = {
  raw: "raw",
  iso: "raw",
  qcow2: "qcow2",
  vmdk: "vmdk",
  vhd: "vpc",
  vhdx: "vhdx",
  luks: "luks",
} as const;
type AcceptedFormat = keyof typeof DRIVERS;

/** An image that may be given to tools, with the one driver to read it by. */
export interface AcceptedImage {
  readonly format: AcceptedFormat;
  readonly driver: (typeof DRIVERS)[AcceptedFormat];
  /** Bytes that a guest sees; of `luks`, of the decrypted payload. */
  readonly virtualSize: bigint;
  /** Bytes of the file. */
  readonly size: bigint;
  readonly encrypted: boolean;
  readonly partitionTable?: PartitionTable;
  readonly match: FormatMatch;
}

/**
 * Accepts an image that is exactly what it is declared to be, and safe.
 * @param declared Glance's `disk_format`
 * @throws a code of `IMAGE_REFUSALS`, `ImageFormatMismatch`, `UnsupportedImageFormat`, and the codes of a LUKS header
 */
export function checkImage(
  inspection: Inspection,
  declared: string,
  options: Partial<InspectionPolicy> = {},
): AcceptedImage {
  const policy = { ...DEFAULT_POLICY, ...options };
  const declaration = declarationOf(declared, policy.subject);
  const match = onlyMatch(inspection, policy.subject);
  if (!declaration.formats.includes(match.format)) throw mismatch(match, declared, policy.subject);
  const [first] = [
    ...match.refusals,
    ...tableRefusals(inspection, match, declaration.partitioned ?? false),
    ...policyRefusals(match, policy),
  ];
  if (first) throw new ImageRefusedError(policy.subject, first);
  // An ISO that is declared by its purpose is read like any other bytes.
  const format = declaration.anyContent ? "raw" : acceptedFormat(match);
  if (format === undefined || match.virtualSize === undefined)
    throw mismatch(match, declared, policy.subject);
  const { partitionTable, size } = inspection;
  return {
    format,
    driver: DRIVERS[format],
    virtualSize: format === "raw" ? size : match.virtualSize,
    size,
    encrypted: isEncrypted(match),
    ...(partitionTable ? { partitionTable } : {}),
    match,
  };
}

/** Two formats at once are made to show different tools different disks. */
function onlyMatch({ matches, partitionTable }: Inspection, subject: string): FormatMatch {
  const [match, ...others] = matches;
  if (!match) throw new RangeError("an inspection has at least one match");
  const names = matches.map(({ format }) => format as string);
  if (partitionTable && !mayBePartitioned(match)) names.push(partitionTable.kind);
  if (others.length === 0 && names.length === 1) return match;
  const found = names.join(" and ");
  const message = `is ${found} at once, which tools would read differently; convert it to one format`;
  throw new ImageRefusedError(subject, refusal("ImagePolyglot", message, { found: names }));
}

function mayBePartitioned(match: FormatMatch): boolean {
  if (match.format === "vhd") return match.facts?.type === "fixed";
  return match.format === "raw" || match.format === "iso";
}

/** ISOs made for USB sticks carry tables that no disk would; firmware alone reads them. */
function tableRefusals(
  { partitionTable }: Inspection,
  match: FormatMatch,
  wanted: boolean,
): readonly Refusal[] {
  if (match.format === "raw" && partitionTable) return partitionTable.refusals;
  if (!wanted) return [];
  return [refusal("PartitionTableMissing", "is declared gpt, but has no partition table; declare it raw")];
}

function acceptedFormat({ format }: FormatMatch): AcceptedFormat | undefined {
  return Object.hasOwn(DRIVERS, format) ? (format as AcceptedFormat) : undefined;
}

function mismatch(match: FormatMatch, declared: string, subject: string): LuksmithError {
  return new LuksmithError(
    "ImageFormatMismatch",
    `${subject} is declared ${declared}, but its bytes say ${match.format}; correct its disk_format or convert it`,
    { details: { declared, found: [match.format] } },
  );
}
