import { CATEGORIES, LuksmithError } from "@luksmith/core/host";
import { gc as action, type GcDocument, gcReport } from "../actions/gc.ts";
import { printable } from "../output/table.ts";
import type { Session } from "../session.ts";

export interface GcInput {
  readonly apply: boolean;
  /** Seconds, as they came. */
  readonly grace: string;
}

/** Exits with 65 where something does not fit and is left, or could not be looked at. */
export async function gc(session: Session, { apply, grace }: GcInput): Promise<number> {
  const options = { graceSeconds: seconds(grace) };
  const document = apply ? await session.perform(action, options) : await look(session, options);
  await session.print(document, () => describe(document));
  const left = document.discrepancies.some(({ outcome }) => outcome !== "done");
  return left || document.troubles.length > 0 ? CATEGORIES.integrity.exitCode : 0;
}

async function look(session: Session, options: { readonly graceSeconds: number }): Promise<GcDocument> {
  const ctx = await session.context();
  await using host = await session.read();
  return await gcReport(host, options, ctx);
}

function seconds(text: string): number {
  if (/^\d{1,10}$/u.test(text)) return Number(text);
  throw new LuksmithError(
    "UsageError",
    `--grace takes a whole number of seconds, not ${JSON.stringify(text)}`,
  );
}

function describe({ discrepancies, foreign, troubles, applied }: GcDocument): string {
  const lines = discrepancies.flatMap(({ kind, finding, advice, removable, outcome, reason }) => {
    const became =
      outcome === null || outcome === "left" ? "" : ` [${outcome}${reason === null ? "" : `: ${reason}`}]`;
    const mark = applied || !removable ? "" : " (--apply)";
    return [`${kind}${mark}: ${finding}${became}`, ...(outcome === "done" ? [] : [`  -> ${advice}`])];
  });
  return [
    ...lines,
    ...troubles.map((trouble) => `not looked at: ${trouble}`),
    ...(foreign > 0 ? [`${foreign} things of others, as far as can be told`] : []),
    discrepancies.length === 0 && troubles.length === 0
      ? "all fits together"
      : `${discrepancies.length} do not fit`,
  ]
    .map((line) => `${printable(line)}\n`)
    .join("");
}
