import type { ErrorCode } from "../errors/codes.ts";
import { LuksmithError } from "../errors/luksmith-error.ts";

/** One thing that is wrong with a request. */
export interface Problem {
  readonly code: ErrorCode;
  /** Where, as a JSON path: `$.server.flavor.disk`. */
  readonly path: string;
  readonly message: string;
}

/** Writes property names and indexes as a JSON path. */
export function jsonPath(keys: readonly PropertyKey[]): string {
  const parts = keys.map((key) => {
    if (typeof key === "number") return `[${key}]`;
    const name = String(key);
    return /^[A-Za-z_]\w*$/.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`;
  });
  return `$${parts.join("")}`;
}

/**
 * All problems as one error. The code is theirs when they agree on one, `InvalidRequest` when they differ;
 * `details.problems` has each with its own.
 */
export function problemsError(problems: readonly Problem[]): LuksmithError {
  const codes = [...new Set(problems.map((problem) => problem.code))];
  const [code = "InvalidRequest"] = codes;
  const lines = problems.map((problem) => `${problem.path}: ${problem.message}`);
  const message =
    lines.length === 1
      ? `the request is not valid: ${lines[0]}`
      : `the request has ${lines.length} problems:\n${lines.map((line) => `- ${line}`).join("\n")}`;
  return new LuksmithError(codes.length === 1 ? code : "InvalidRequest", message, { details: { problems } });
}
