import { lintHeader, LuksError, type LuksErrorCode, type LuksHeader } from "@luksmith/luks";
import type { ErrorCategory } from "../../errors/codes.ts";
import { IMAGE_REFUSALS, type ImageRefusalCode } from "../../errors/image-refusals.ts";

/** One reason not to use an image. */
export interface Refusal {
  /** One of `IMAGE_REFUSALS`, or the code of `@luksmith/luks` for a LUKS header. */
  readonly code: ImageRefusalCode | LuksErrorCode;
  readonly category: ErrorCategory;
  /** What "it" (the image) is or has, and what to do: goes on after `it `. */
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

export function refusal(
  code: ImageRefusalCode,
  message: string,
  details: Readonly<Record<string, unknown>> = {},
): Refusal {
  return { code, category: IMAGE_REFUSALS[code], message, details };
}

/** Reasons as one format's inspection comes upon them. The first is the one that users see. */
export class Refusals {
  readonly list: Refusal[] = [];
  readonly #format: string;

  constructor(format: string) {
    this.#format = format;
  }

  add(code: ImageRefusalCode, message: string, details: Readonly<Record<string, unknown>> = {}): void {
    this.list.push(refusal(code, message, { format: this.#format, ...details }));
  }

  /** Metadata that ends, or points, behind the end of the file. */
  addTruncated(what: string, end: bigint | number, size: bigint): void {
    this.add(
      "ImageTruncated",
      `is truncated: its ${what} ends at byte ${end}, the file at ${size}; fetch or export it again`,
      { what, end: String(end), size: String(size) },
    );
  }

  /** A header that parses, and names a cipher or a hash that nobody here has code for. */
  addUnknownCipher(header: LuksHeader): void {
    const finding = lintHeader(header).find(({ code }) => code === "cipher-unsupported");
    if (finding) this.addLuksError(new LuksError("LuksCipherUnsupported", finding.message));
  }

  /** Keeps the code of a LUKS header's error. Anything else is a bug and passes. */
  addLuksError(error: unknown): void {
    if (!(error instanceof LuksError)) throw error;
    const { code, category, details } = error;
    this.list.push({
      code,
      category,
      message: `has a LUKS header that is refused: ${error.message}`,
      details: { format: this.#format, ...details },
      cause: error,
    });
  }
}
