import { LuksmithError } from "@luksmith/core/host";

const MS: Readonly<Record<string, number>> = {
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/**
 * Reads a moment in the past: a date (`2026-01-01`, midnight UTC), a time in ISO 8601 with its zone, or how long ago it was
 * (`90d`; m, h, d, w).
 * @throws `UsageError`; also for a moment that is still to come, which nothing can be younger than
 */
export function parseWhen(text: string, now: Date): Date {
  const { count, unit = "" } = /^(?<count>\d{1,6})(?<unit>[mhdw])$/.exec(text)?.groups ?? {};
  if (count !== undefined) return new Date(now.getTime() - Number(count) * (MS[unit] ?? 0));
  const isDate = /^\d{4}-\d{2}-\d{2}$/.test(text);
  const isTime = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})$/.test(text);
  const when = isDate || isTime ? new Date(text) : new Date(Number.NaN);
  // Of a day that there is not, some are taken for the next.
  const exists = !Number.isNaN(when.getTime()) && (!isDate || when.toISOString().startsWith(text));
  if (!exists) {
    throw new LuksmithError(
      "UsageError",
      `${text} is no moment; give a date (2026-01-01), a time with its zone (2026-01-01T12:00:00Z), or how long ago it was (90d; m, h, d, w)`,
    );
  }
  if (when > now)
    throw new LuksmithError("UsageError", `${text} is still to come; give a moment that is past`);
  return when;
}
