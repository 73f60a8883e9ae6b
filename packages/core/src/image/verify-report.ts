/** One thing that was looked at. */
export interface VerifyCheck {
  /** Stable: `header`, `uuid`, `passphrase`, `wrong-passphrase`, `size`, … */
  readonly name: string;
  readonly result: "pass" | "fail" | "warn";
  readonly message: string;
}

export interface VerifyReport {
  readonly uuid: string;
  readonly name: string;
  readonly path: string;
  /** No check failed. */
  readonly ok: boolean;
  readonly checks: readonly VerifyCheck[];
}
