import type { MappingListener } from "../image/mapping-listener.ts";
import type { KeyAudit } from "./audited-keys.ts";

/** Tells the audit log of devices that show a disk in clear: who reads one needs no key, and asks nobody. */
export function auditedMappings(audit: Pick<KeyAudit, "append">): MappingListener {
  return async ({ disk, path, open }, { requestId: request, origin }) => {
    const secret = disk.encryption?.secretId ?? undefined;
    await audit.append({
      event: open ? "mapping.opened" : "mapping.closed",
      outcome: "ok",
      request,
      origin,
      instance: disk.instanceUuid,
      disk: { uuid: disk.uuid, name: disk.name },
      secret,
      details: { mapping: path },
    });
  };
}
