import { type AbsentTraits, errorToJson, type ReportOutcome } from "@luksmith/core/host";
import { printable } from "./table.ts";

type Reported = NonNullable<ReportOutcome["change"]>;

/** Who was described, and all that is said of it; nulls where that is not known. */
export function providerDocument(reported: Pick<Reported, "provider" | "traits" | "generation"> | undefined) {
  const { provider = null, traits = null, generation = null } = reported ?? {};
  return { provider, generation, traits };
}

export function errorDocument(error: unknown): { readonly code: string; readonly message: string } | null {
  if (error === undefined) return null;
  const { code, message } = errorToJson(error);
  return { code: String(code), message: String(message) };
}

export function absentText(absent: readonly AbsentTraits[]): string {
  return absent
    .map(({ source, traits, reason }) => `not ${traits.join(", ")}: ${printable(`${source}: ${reason}`)}\n`)
    .join("");
}

/** After the result was printed: the first error decides the exit code. */
export function throwFirst(outcomes: readonly { readonly error?: unknown }[]): void {
  const failed = outcomes.find(({ error }) => error !== undefined);
  if (failed) throw failed.error;
}
