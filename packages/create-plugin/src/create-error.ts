/** Something the caller can mend; the message says how. */
export class CreateError extends Error {
  override readonly name = "CreateError";
  readonly code: "UsageError" | "InvalidName" | "FolderNotEmpty" | "FolderUnusable";

  constructor(code: CreateError["code"], message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}
