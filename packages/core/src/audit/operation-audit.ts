import type { OpenOperation, Step } from "../journal/journal.ts";
import type { Row, StateDatabase } from "../journal/state-database.ts";
import type { AuditedDisk, AuditEvent, Origin } from "./audit-event.ts";
import type { AuditLog } from "./audit-log.ts";

/** An operation, for the log. */
export interface AuditedOperation extends Pick<OpenOperation, "id" | "kind" | "subject" | "requestId"> {
  /** Unknown where recovery ends what another process began. */
  readonly origin: Origin | undefined;
}

/** Operations after whose end a guest has its disks open, or not any more, whatever became of the disks themselves. */
const OPENED: ReadonlySet<string> = new Set(["spawn", "start", "reboot", "rescue", "unrescue"]);
const CLOSED: ReadonlySet<string> = new Set(["stop"]);
/** Operations that take over disks which are there already. */
const ADOPTING: ReadonlySet<string> = new Set(["adopt", "expect", "unshelve", "evacuate"]);
/** What is done to the one disk that the operation names, without a change that the inventory shows. */
const NAMED: Readonly<Record<string, string>> = { flatten: "disk.flattened", rebase: "disk.rebased" };

/**
 * Tells the audit log of operations, in the transactions of the journal: what an operation makes of disks and snapshots is
 * what the inventory says before and after, so that nothing can be changed without a line.
 */
export class OperationAudit {
  readonly #database: StateDatabase;
  readonly #log: AuditLog;

  constructor(database: StateDatabase, log: AuditLog) {
    this.#database = database;
    this.#log = log;
  }

  /** Inside the transaction in which it begins. */
  begun(operation: AuditedOperation): void {
    this.#log.within({ event: "operation.begun", outcome: "ok", ...common(operation) });
  }

  /** Makes `change`, inside its transaction, and tells what it was. */
  changing(operation: AuditedOperation, steps: readonly Step[], change: () => void): void {
    const before = this.#holdings(operation.subject);
    change();
    const events = this.#changes(operation, steps, before);
    if (events.length > 0) this.#log.within(...events);
  }

  /** Inside the transaction in which it ends, with its last change. */
  ended(
    operation: AuditedOperation,
    state: "done" | "undone",
    steps: readonly Step[],
    change: () => void,
  ): void {
    const before = this.#holdings(operation.subject);
    change();
    const events = this.#changes(operation, steps, before);
    if (state === "done") events.push(...this.#others(operation), ...cleared(operation, steps));
    this.#log.within(...events, { event: `operation.${state}`, outcome: "ok", ...common(operation) });
  }

  /** After each of these transactions. */
  settle(): void {
    this.#log.settle();
  }

  #changes(operation: AuditedOperation, steps: readonly Step[], before: Holdings): AuditEvent[] {
    const after = this.#holdings(operation.subject);
    const event = maker(operation);
    const events: AuditEvent[] = [];
    for (const [uuid, row] of before.disks) {
      const now = after.disks.get(uuid);
      if (!now) events.push(...gone(row, steps, event));
      else events.push(...altered(row, now, steps, event));
    }
    for (const [uuid, row] of after.disks) {
      if (before.disks.has(uuid)) continue;
      const size = {
        bytes: String(row["virtual_size"]),
        encryption: text(row["encryption_format"]),
      };
      events.push(event(ADOPTING.has(operation.kind) ? "disk.adopted" : "disk.created", row, size));
    }
    for (const [uuid, row] of after.snapshots)
      if (!before.snapshots.has(uuid)) events.push(event("disk.copied", row));
    for (const [uuid, row] of before.snapshots)
      if (!after.snapshots.has(uuid)) events.push(event("copy.deleted", row));
    return events;
  }

  #others(operation: AuditedOperation): readonly AuditEvent[] {
    const { kind, subject, id } = operation;
    const name = OPENED.has(kind) ? "disk.opened" : CLOSED.has(kind) ? "disk.closed" : NAMED[kind];
    if (name === undefined) return [];
    const make = maker(operation);
    const disks = [...this.#holdings(subject).disks.values()];
    const only = NAMED[kind] === undefined ? undefined : this.#diskOf(id);
    return disks.filter(({ uuid }) => only === undefined || uuid === only).map((row) => make(name, row));
  }

  /** The disk that an operation names in its journal. */
  #diskOf(id: string): unknown {
    const data = text(this.#database.get("SELECT data FROM operation WHERE id = ?", id)?.["data"]);
    return data === null ? undefined : memberOf(JSON.parse(data), "disk");
  }

  #holdings(subject: string): Holdings {
    const disks = this.#database.all("SELECT * FROM disk WHERE instance = ?", subject);
    const snapshots = this.#database.all("SELECT *, disk_name AS name FROM snapshot WHERE uuid = ?", subject);
    return { disks: byUuid(disks), snapshots: byUuid(snapshots) };
  }
}

interface Holdings {
  readonly disks: ReadonlyMap<string, Row>;
  readonly snapshots: ReadonlyMap<string, Row>;
}

type Make = (name: string, row: Row, details?: AuditEvent["details"]) => AuditEvent;

function maker(operation: AuditedOperation): Make {
  return (event, row, details) => ({
    event,
    outcome: "ok",
    ...common(operation),
    instance: String(row["instance"]),
    disk: diskOf(row),
    secret: text(row["secret_id"]) ?? undefined,
    details,
  });
}

/** A disk that this operation has removed, or that is another host's from now on. */
function gone(row: Row, steps: readonly Step[], event: Make): readonly AuditEvent[] {
  const removal = removalOf(row, steps);
  if (!removal) return [event("disk.moved", row)];
  if (removal === "missing") return [event("disk.deleted", row, { missing: true })];
  const deleted = event("disk.deleted", row);
  return row["encryption_format"] === "luks" ? [event("disk.erased", row), deleted] : [deleted];
}

/** What gc has removed: nothing of it was in the inventory any more. Secrets are told of by the key manager's use. */
function cleared(operation: AuditedOperation, steps: readonly Step[]): readonly AuditEvent[] {
  if (operation.kind !== "gc") return [];
  const tell = (event: string, rest: Partial<AuditEvent>): AuditEvent => {
    return { event, outcome: "ok", ...common(operation), ...rest };
  };
  return steps.flatMap(({ kind, data }): readonly AuditEvent[] => {
    switch (kind) {
      case "remove": {
        const disk = memberOf(data, "disk");
        const [uuid, name, instance] = ["uuid", "name", "instanceUuid"].map((key) =>
          String(memberOf(disk, key)),
        );
        const backend = String(memberOf(data, "backend"));
        const of = { instance, disk: { uuid: uuid ?? "", name: name ?? "", backend } };
        return [tell("disk.erased", of), tell("disk.deleted", { ...of, details: { leftover: true } })];
      }
      case "forget-copy":
        return [tell("key.copy-deleted", { secret: text(memberOf(data, "id")) ?? undefined })];
      case "take-keys": {
        const keys = memberOf(data, "keys");
        return (Array.isArray(keys) ? keys : []).map((key) =>
          tell("key.taken", { secret: text(memberOf(key, "secretId")) ?? undefined }),
        );
      }
      case "remove-directory":
        return [tell("directory.removed", { details: { path: text(memberOf(data, "path")) } })];
      default:
        return [];
    }
  });
}

/** Whether an operation has removed a disk's bytes, and whether they were there. */
function removalOf(row: Row, steps: readonly Step[]): "erased" | "missing" | undefined {
  for (const { kind, data } of steps) {
    const removed = kind === "replace" ? memberOf(data, "old") : kind === "remove" ? data : undefined;
    if (memberOf(memberOf(removed, "disk"), "uuid") !== row["uuid"]) continue;
    return memberOf(removed, "identity") === null ? "missing" : "erased";
  }
  return undefined;
}

function altered(was: Row, is: Row, steps: readonly Step[], event: Make): readonly AuditEvent[] {
  const events: AuditEvent[] = [];
  if (was["secret_id"] !== is["secret_id"]) {
    events.push(event("disk.rekeyed", is, { before: text(was["secret_id"]), now: text(is["secret_id"]) }));
  }
  if (was["virtual_size"] !== is["virtual_size"]) {
    events.push(
      event("disk.resized", is, { before: String(was["virtual_size"]), now: String(is["virtual_size"]) }),
    );
  }
  if (
    was["identity"] !== is["identity"] ||
    was["path"] !== is["path"] ||
    was["encryption_format"] !== is["encryption_format"]
  ) {
    if (was["encryption_format"] === "luks" && removalOf(was, steps) === "erased")
      events.push(event("disk.erased", was));
    events.push(event("disk.replaced", is, { before: text(was["path"]), now: text(is["path"]) }));
  }
  return events;
}

function common({
  id,
  kind,
  subject,
  requestId: request,
  origin,
}: AuditedOperation): Omit<AuditEvent, "event" | "outcome"> {
  return { request, origin, operation: { kind, id, subject } };
}

function diskOf(row: Row): AuditedDisk {
  return {
    uuid: String(row["uuid"]),
    name: String(row["name"]),
    ...(typeof row["backend"] === "string" ? { backend: row["backend"] } : {}),
    path: String(row["path"]),
  };
}

function byUuid(rows: readonly Row[]): ReadonlyMap<string, Row> {
  return new Map(rows.map((row) => [String(row["uuid"]), row]));
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}

function text(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
