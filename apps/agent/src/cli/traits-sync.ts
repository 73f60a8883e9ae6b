import {
  keepTraits,
  type ReportOutcome,
  reportTraits,
  type SyncReport,
  type TraitRound,
} from "@luksmith/core/host";
import { absentText, errorDocument, providerDocument, throwFirst } from "../output/trait-output.ts";
import { printable } from "../output/table.ts";
import type { Session } from "../session.ts";

export interface TraitsSyncOptions {
  readonly createProvider?: boolean;
  /** Seconds; true: as configured. */
  readonly every?: number | true;
}

export async function traitsSync(session: Session, options: TraitsSyncOptions): Promise<void> {
  const { createProvider = false, every } = options;
  const ctx = await session.context();
  await using host = await session.read();
  if (every !== undefined) {
    const intervalMs = every === true ? undefined : every * 1000;
    return keepTraits(host, { createProvider, intervalMs, onRound: printer(session) }, ctx);
  }
  const report = await reportTraits(host, { createProvider }, ctx);
  await session.print(syncDocument(report), () => describe(report));
  throwFirst(report.outcomes);
}

/** Says what a round changed. What is as it was is not said again; errors are logged by the reconciler. */
function printer(session: Session): (round: TraitRound) => Promise<void> {
  let last: string | undefined;
  return async (round) => {
    const document = roundDocument(round);
    const changed = round.outcomes.some(
      ({ change }) => change && change.added.length + change.removed.length > 0,
    );
    const state = JSON.stringify([document.absent, round.outcomes.map(errorCode)]);
    if (!changed && state === last) return;
    last = state;
    const text = session.json ? `${JSON.stringify(document)}\n` : describe({ ...round, created: [] });
    await session.io.stdout.write(text);
  };
}

function errorCode({ error }: ReportOutcome): string | undefined {
  return errorDocument(error)?.code;
}

export function syncDocument(report: SyncReport): object {
  return { ...roundDocument(report), created: report.created };
}

function roundDocument({ host: { traits, absent }, outcomes }: TraitRound) {
  return { traits, absent, reporters: outcomes.map(outcomeDocument) };
}

function outcomeDocument({ reporter, change, error }: ReportOutcome): object {
  const { added = null, removed = null } = change ?? {};
  return { reporter, ...providerDocument(change), added, removed, error: errorDocument(error) };
}

function describe({ host, outcomes, created }: SyncReport): string {
  const made = created.map((reporter) => `${reporter}: made this host known\n`).join("");
  return `${absentText(host.absent)}${made}${outcomes.map(describeOutcome).join("")}`;
}

function describeOutcome({ reporter, change, error }: ReportOutcome): string {
  if (!change) return `${reporter}: ${printable(errorDocument(error)?.message ?? "failed")}\n`;
  const { provider, added, removed } = change;
  const lines = [
    `${reporter}: ${provider.name} (${provider.id})`,
    ...added.map((trait) => `  added    ${trait}`),
    ...removed.map((trait) => `  removed  ${trait}`),
    ...(added.length + removed.length === 0 ? ["  unchanged"] : []),
  ];
  return lines.map((line) => `${printable(line)}\n`).join("");
}
