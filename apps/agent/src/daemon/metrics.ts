import type { JournalListener, KeyManagerListener, Task } from "@luksmith/core/host";
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import type { DaemonParts } from "./parts.ts";

/** Seconds: a create takes some milliseconds, a flatten may take an hour. */
const BUCKETS = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 1800, 7200];

/** What Prometheus is told. Labels are of few values: never an id. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #operations = new Histogram({
    name: "luksmith_operation_duration_seconds",
    help: "Time from the start of an operation to its end, by how it ended (done, failed, cancelled).",
    labelNames: ["operation", "outcome"],
    buckets: BUCKETS,
    registers: [this.#registry],
  });
  readonly #waiting = new Histogram({
    name: "luksmith_operation_wait_seconds",
    help: "Time that operations waited for their turn.",
    buckets: BUCKETS,
    registers: [this.#registry],
  });
  readonly #refused = new Counter({
    name: "luksmith_operations_refused_total",
    help: "Operations that were refused, by error code.",
    labelNames: ["code"],
    registers: [this.#registry],
  });
  readonly #requests = new Histogram({
    name: "luksmith_http_request_duration_seconds",
    help: "Time to answer a request.",
    labelNames: ["method", "route", "status"],
    buckets: BUCKETS,
    registers: [this.#registry],
  });
  readonly #steps = new Counter({
    name: "luksmith_journal_steps_total",
    help: "Durable changes of the journal, by operation.",
    labelNames: ["operation"],
    registers: [this.#registry],
  });
  readonly #keyCalls = new Counter({
    name: "luksmith_key_manager_calls_total",
    help: "Calls of the key manager.",
    labelNames: ["call"],
    registers: [this.#registry],
  });
  readonly #keyErrors = new Counter({
    name: "luksmith_key_manager_errors_total",
    help: "Calls of the key manager that failed, by error code.",
    labelNames: ["call", "code"],
    registers: [this.#registry],
  });
  readonly #keyWaiting = new Gauge({
    name: "luksmith_key_manager_calls_waiting",
    help: "Calls of the key manager that wait, because their project has made many ([luksmith] key_manager_rate).",
    registers: [this.#registry],
  });
  readonly #keyWaits = new Counter({
    name: "luksmith_key_manager_calls_delayed_total",
    help: "Calls of the key manager that had to wait for their project's turn.",
    registers: [this.#registry],
  });
  readonly #keyRefusals = new Counter({
    name: "luksmith_key_manager_calls_refused_total",
    help: "Calls of the key manager that were refused, because they would have waited too long for their project's turn.",
    registers: [this.#registry],
  });
  readonly #unlocks = new Counter({
    name: "luksmith_unlocks_total",
    help: "Passphrases that were got from the key manager to open a disk, or for a person.",
    registers: [this.#registry],
  });

  /** Of the process: memory, descriptors, lag of the event loop, garbage collection. */
  constructor() {
    collectDefaultMetrics({ register: this.#registry });
  }

  /** What is counted when somebody asks. */
  watch({ host, queue, guests, version }: Pick<DaemonParts, "host" | "queue" | "guests" | "version">): void {
    const registers = [this.#registry];
    const disks = new Gauge({
      name: "luksmith_disks",
      help: "Disks of this host.",
      labelNames: ["backend", "encrypted"],
      registers,
      collect: () => {
        disks.reset();
        for (const { backend, encrypted, disks: count } of host.inventory.diskCounts()) {
          disks.set({ backend, encrypted: String(encrypted) }, count);
        }
      },
    });
    this.#gauge("luksmith_operations_running", "Operations that run.", () => queue.running);
    this.#gauge("luksmith_operations_queued", "Operations that wait.", () => queue.queued);
    this.#gauge(
      "luksmith_operations_unfinished",
      "Operations in the journal that have not ended, those that run included.",
      () => host.journal.unfinished().length,
    );
    this.#gauge("luksmith_guests_resuming", "Guests that are being brought back.", () => guests.resuming);
    this.#gauge("luksmith_guests_waiting", "Guests that need somebody with a token.", () => guests.waiting);
    const info = new Gauge({ name: "luksmith_info", help: "Version.", labelNames: ["version"], registers });
    info.set({ version }, 1);
  }

  readonly onJournal: JournalListener = ({ kind }) => this.#steps.inc({ operation: kind });

  readonly onKeyManager: KeyManagerListener = (event) => {
    if (event.call === "refused") return this.#keyRefusals.inc();
    if (event.call === "wait") {
      if (event.began) this.#keyWaits.inc();
      return this.#keyWaiting.set(event.waiting);
    }
    const { call, code } = event;
    this.#keyCalls.inc({ call });
    if (code !== undefined) this.#keyErrors.inc({ call, code });
    else if (call === "get") this.#unlocks.inc();
  };

  ended({ kind, state, createdAt, startedAt, endedAt }: Task): void {
    if (!endedAt) return;
    const begun = startedAt ?? endedAt;
    this.#waiting.observe((begun.getTime() - createdAt.getTime()) / 1000);
    this.#operations.observe(
      { operation: kind, outcome: state },
      (endedAt.getTime() - begun.getTime()) / 1000,
    );
  }

  refused(code: string): void {
    this.#refused.inc({ code });
  }

  answered(method: string, route: string, status: number, seconds: number): void {
    this.#requests.observe({ method, route, status: String(status) }, seconds);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  #gauge(name: string, help: string, value: () => number): void {
    const gauge: Gauge = new Gauge({
      name,
      help,
      registers: [this.#registry],
      collect: (): void => gauge.set(value()),
    });
  }
}
