import { type ReporterView, showTraits, type TraitsReport } from "@luksmith/core/host";
import { absentText, errorDocument, providerDocument, throwFirst } from "../output/trait-output.ts";
import { printable } from "../output/table.ts";
import type { Session } from "../session.ts";

export async function traitsShow(session: Session): Promise<void> {
  const ctx = await session.context();
  await using host = await session.read();
  const report = await showTraits(host, ctx);
  await session.print(traitsDocument(report), () => describe(report));
  throwFirst(report.reporters);
}

export function traitsDocument(report: TraitsReport) {
  const { traits, absent } = report.host;
  return { traits, absent, reporters: report.reporters.map(viewDocument) };
}

function viewDocument(view: ReporterView): object {
  const { reporter, reported } = view;
  const [missing, extra] = view.reported ? [view.missing, view.extra] : [null, null];
  return { reporter, ...providerDocument(reported), missing, extra, error: errorDocument(view.error) };
}

function describe({ host, reporters }: TraitsReport): string {
  const own = host.traits.map((trait) => `${trait}\n`).join("");
  const nobody = "no plugin reports traits; @luksmith/traits-placement in [luksmith] plugins does\n";
  return [
    own || "this host has no traits to report\n",
    absentText(host.absent),
    reporters.length === 0 ? nobody : reporters.map(describeView).join(""),
  ].join("");
}

function describeView(view: ReporterView): string {
  if (view.error !== undefined) return `${view.reporter}: not known\n`;
  if (!view.reported) return `${view.reporter}: cannot tell\n`;
  const { provider, traits } = view.reported;
  const { missing, extra } = view;
  const lines = [
    `${view.reporter}: ${provider.name} (${provider.id}) has ${traits.length} traits`,
    ...missing.map((trait) => `  missing  ${trait}`),
    ...extra.map((trait) => `  extra    ${trait}`),
    missing.length + extra.length === 0 ? "  all is as it should be" : '  "luksmith traits sync" mends this',
  ];
  return lines.map((line) => `${printable(line)}\n`).join("");
}
