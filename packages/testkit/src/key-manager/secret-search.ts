import { inspect } from "node:util";
import type { Passphrase } from "@luksmith/core";

/**
 * Looks for a passphrase in what a program left behind: files, log entries, errors, any object. Finds it verbatim, in
 * UTF-16, base64 (at any of the three alignments, both alphabets), hex, as a list of numbers, and, if it is base64 text
 * itself, decoded.
 *
 * @returns the names of the forms found; none when it is clean
 */
export function findSecret(passphrase: Passphrase, evidence: unknown): readonly string[] {
  const text = textOf(evidence);
  // Printers wrap lines and pad columns.
  const squeezed = text.replaceAll(/\s+/g, "");
  const texts = [text, squeezed];
  const folded = [text.toLowerCase(), squeezed.toLowerCase()];
  return passphrase.use((bytes) => {
    const forms = secretForms(Buffer.from(bytes));
    return forms
      .filter(({ form, fold }) => (fold ? folded : texts).some((where) => where.includes(form)))
      .map(({ name }) => name);
  });
}

interface SecretForm {
  readonly name: string;
  readonly form: string;
  /** Compared without regard to case. */
  readonly fold: boolean;
}

function secretForms(secret: Buffer): readonly SecretForm[] {
  const verbatim = [
    { name: "verbatim", form: secret.toString("latin1"), fold: false },
    {
      name: "utf16le",
      form: Buffer.from(secret.toString("latin1"), "utf16le").toString("latin1"),
      fold: false,
    },
    { name: "hex", form: secret.toString("hex"), fold: true },
    { name: "list of numbers", form: [...secret].join(","), fold: false },
  ];
  const base64 = (["base64", "base64url"] as const).flatMap((encoding) =>
    [0, 1, 2].map((offset) => {
      // Only whole groups inside the secret: what is around it changes the first and the last characters.
      const whole = secret.subarray(offset, offset + Math.floor((secret.length - offset) / 3) * 3);
      return { name: `${encoding} at offset ${offset}`, form: whole.toString(encoding), fold: false };
    }),
  );
  const decoded = Buffer.from(secret.toString("latin1"), "base64");
  const raw =
    decoded.toString("base64") === secret.toString("latin1")
      ? [
          { name: "decoded", form: decoded.toString("latin1"), fold: false },
          { name: "decoded, in hex", form: decoded.toString("hex"), fold: true },
        ]
      : [];
  return [...verbatim, ...base64, ...raw].filter(({ form }) => form.length >= 8);
}

/** Everything an object can be made to say: its strings, bytes, own properties, `toString`, `toJSON` and `inspect`. */
function textOf(evidence: unknown): string {
  const parts: string[] = [];
  collect(evidence, parts, new Set());
  return parts.join("\n");
}

function collect(value: unknown, parts: string[], seen: Set<unknown>): void {
  if (typeof value === "string") parts.push(value);
  if ((typeof value !== "object" && typeof value !== "function") || value === null || seen.has(value)) return;
  seen.add(value);
  if (ArrayBuffer.isView(value)) {
    parts.push(Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("latin1"));
    return;
  }
  parts.push(inspect(value, { depth: null, showHidden: true, maxArrayLength: null, maxStringLength: null }));
  parts.push(jsonOf(value));
  if (value instanceof Map || value instanceof Set) for (const item of value) collect(item, parts, seen);
  for (const key of Reflect.ownKeys(value)) {
    parts.push(String(key));
    const descriptor = Reflect.getOwnPropertyDescriptor(value, key);
    if (descriptor !== undefined && "value" in descriptor) collect(descriptor.value, parts, seen);
  }
}

function jsonOf(value: object): string {
  try {
    return JSON.stringify(value) ?? "";
  } catch {
    return "";
  }
}
