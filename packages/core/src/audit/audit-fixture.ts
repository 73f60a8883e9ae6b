import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { StateDatabase } from "../journal/state-database.ts";
import { silentLogger } from "../log/logger.ts";
import { AuditLog, type AuditLogOptions } from "./audit-log.ts";
import { readHead, readPending } from "./audit-state.ts";
import { readSegments } from "./read-audit.ts";
import { segmentFiles } from "./segment-file.ts";
import { type AuditEvidence, type AuditVerdict, verifyAudit } from "./verify-audit.ts";

/** For tests: a log in a folder of its own. */
export class AuditFixture implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), "luksmith-audit-"));
  readonly directory = join(this.folder, "audit");
  readonly database: StateDatabase;

  constructor() {
    const database = StateDatabase.open(this.folder, "write");
    if (!database) throw new Error("no database");
    this.database = database;
  }

  log(options: Partial<AuditLogOptions> = {}): AuditLog {
    return new AuditLog({
      database: () => this.database,
      directory: this.directory,
      segmentBytes: 1 << 20,
      host: "host-1",
      failure: "stop",
      log: silentLogger,
      ...options,
    });
  }

  /** A log of `count` lines, the first included. */
  async filled(count: number, options: Partial<AuditLogOptions> = {}): Promise<AuditLog> {
    const log = this.log(options);
    for (let i = 1; i < count; i++) {
      await log.append({ event: "key.read", outcome: "ok", secret: `secret-${i}` });
    }
    return log;
  }

  get files(): readonly string[] {
    return segmentFiles(this.directory);
  }

  lines(file = 0): string[] {
    return readFileSync(this.files[file] ?? "", "utf8")
      .split("\n")
      .slice(0, -1);
  }

  write(lines: readonly string[], file = 0): void {
    writeFileSync(this.files[file] ?? "", lines.map((line) => `${line}\n`).join(""));
  }

  /** What is written in the database only is taken from it: as long after. */
  forgetPending(): void {
    this.database.run("DELETE FROM audit_pending");
  }

  verify(options: Partial<AuditEvidence> = {}): AuditVerdict {
    const head = readHead(this.database);
    const files = readSegments(this.files, head?.segment);
    return verifyAudit({ files, head, pending: readPending(this.database), ...options });
  }

  /** The codes of what is wrong. */
  errors(options: Partial<AuditEvidence> = {}): readonly string[] {
    const { findings, ok } = this.verify(options);
    const codes = findings.filter(({ severity }) => severity === "error").map(({ code }) => code);
    if (ok !== (codes.length === 0)) throw new Error("ok and the findings differ");
    return codes;
  }

  notes(): readonly string[] {
    return this.verify()
      .findings.filter(({ severity }) => severity === "note")
      .map(({ code }) => code);
  }

  [Symbol.dispose](): void {
    this.database[Symbol.dispose]();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
