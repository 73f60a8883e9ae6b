import { type CreatePreview, previewCreate } from "@luksmith/core/host";
import { readRequest } from "../input/read-request.ts";
import { formatBytes } from "../output/format-bytes.ts";
import { printable, table } from "../output/table.ts";
import type { Session } from "../session.ts";

export async function plan(session: Session, file: string): Promise<void> {
  const ctx = await session.context();
  const { request } = await readRequest(file, session);
  await using host = await session.read();
  const preview = await previewCreate(host, request, ctx);
  await session.print(preview, () => describePlan(preview));
}

function describePlan({ disks, disk_info, steps, warnings }: CreatePreview): string {
  const headings = ["DISK", "KIND", "DEVICE", "GUEST SEES", "FILE HOLDS", "ENCRYPTION", "PATH"];
  const rows = disks.map((disk) => [
    disk.name,
    disk.kind,
    `${disk_info.mapping[disk.name]?.dev} (${disk_info.mapping[disk.name]?.bus})`,
    `${disk.virtual_size} (${formatBytes(disk.virtual_size)})`,
    String(disk.container_bytes),
    disk.encryption_format ?? "none",
    disk.path,
  ]);
  const numbered = steps.map(({ description }, index) => `${index + 1}. ${printable(description)}\n`);
  const warned = warnings.map((warning) => `warning: ${printable(warning)}\n`);
  return [table(headings, rows), "\n", ...numbered, ...(warned.length > 0 ? ["\n", ...warned] : [])].join("");
}
