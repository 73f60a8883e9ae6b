import { hostname } from "node:os";
import type { HostConfig } from "../config/host-config.ts";
import { Inventory } from "../journal/inventory.ts";
import type { StateDatabase } from "../journal/state-database.ts";
import type { Logger } from "../log/logger.ts";
import { AuditLog } from "./audit-log.ts";
import type { KeyAudit } from "./audited-keys.ts";

/** The audit log of a host, as its configuration says. */
export function hostAuditLog(config: HostConfig, database: () => StateDatabase, log: Logger): AuditLog {
  const { audit_path: directory, audit_failure: failure, audit_segment_size: mib } = config.luksmith;
  return new AuditLog({
    database,
    directory,
    segmentBytes: mib * 1024 * 1024,
    host: config.DEFAULT.host || hostname(),
    failure,
    log,
  });
}

/** The same for the use of keys. */
export function keyAudit(audit: AuditLog, database: () => StateDatabase): KeyAudit {
  return {
    append: (...events) => audit.append(...events),
    subjectOf: (secretId) => {
      const found = new Inventory(database()).ofSecret(secretId);
      return found && { instance: found.instance, disk: { uuid: found.uuid, name: found.name } };
    },
  };
}
