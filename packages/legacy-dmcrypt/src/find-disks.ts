import { type CommandRunner, type FoundDisk, LuksmithError, type OpContext } from "@luksmith/core";
import * as z from "zod";
import { parseTable, SUFFIX } from "./dm-mapping.ts";

/** Nova's `UUID_disk.eph0`; a `_` in either part would be doubled, and there is none. */
const VOLUME =
  /^(?<uuid>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})_(?<name>disk(?:\.local|\.swap|\.eph\d+)?)$/u;

const Report = z.object({
  report: z.array(
    z.object({
      lv: z.array(
        z.object({ lv_name: z.string(), lv_path: z.string(), lv_size: z.string().regex(/^\d+$/u) }),
      ),
    }),
  ),
});

/** Logical volumes that are named like Nova's disks, and whether a mapping of dm-crypt is open on them. */
export async function findDisks(
  volumeGroup: string,
  commands: CommandRunner,
  timeoutMs: number,
  ctx: OpContext,
): Promise<readonly FoundDisk[]> {
  const columns = "lv_name,lv_path,lv_size";
  const args = ["--reportformat", "json", "--units", "b", "--nosuffix", "-o", columns, volumeGroup];
  const { stdout } = await commands.run({ file: "lvs", args, timeoutMs }, ctx);
  const report = Report.safeParse(parseJson(stdout));
  if (!report.success)
    throw new LuksmithError(
      "CommandFailed",
      `lvs answered something else than its JSON: ${report.error.message}`,
    );
  const volumes = report.data.report.flatMap(({ lv }) => lv);
  const mappings = await openMappings(commands, timeoutMs, ctx);
  return volumes.flatMap(({ lv_name, lv_path, lv_size }): FoundDisk[] => {
    const { uuid, name } = VOLUME.exec(lv_name)?.groups ?? {};
    if (!uuid || !name) return [];
    const mapping = lv_name + SUFFIX;
    const cipher = mappings.get(mapping);
    const open = cipher === undefined ? {} : { mapping: `/dev/mapper/${mapping}`, cipher };
    return [{ instanceUuid: uuid, name, path: lv_path, bytes: BigInt(lv_size), ...open }];
  });
}

/** Ciphers of the open mappings of dm-crypt, by name. */
async function openMappings(
  commands: CommandRunner,
  timeoutMs: number,
  ctx: OpContext,
): Promise<ReadonlyMap<string, string>> {
  const args = ["table", "--target", "crypt"];
  const { stdout } = await commands.run({ file: "dmsetup", args, timeoutMs }, ctx);
  // `NAME: 0 2097152 crypt …`, or a sentence where there is none.
  const lines = stdout.split("\n").flatMap((line) => {
    const colon = line.indexOf(": ");
    const state = colon > 0 ? parseTable(line.slice(colon + 2)) : undefined;
    return state ? [[line.slice(0, colon), state.cipher] as const] : [];
  });
  return new Map(lines);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
