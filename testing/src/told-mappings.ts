import { exportAudit, type ReadableHost } from "@luksmith/core/host";

/** What the audit log tells of a device that shows a disk in clear, in order: `opened`, `closed`. */
export async function toldMappings(host: ReadableHost, path: string): Promise<readonly string[]> {
  const { lines } = await exportAudit(host, { about: path });
  return lines.flatMap((line) => {
    const { event, details } = JSON.parse(line) as { event: string; details?: { mapping?: string } };
    return details?.mapping === path ? [event.replace("mapping.", "")] : [];
  });
}
