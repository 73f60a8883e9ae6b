/** One sentence of a contract, about things of type `T`. */
export interface Rule<T> {
  /** Stable: `IB-1`. */
  readonly id: string;
  readonly title: string;
  /** Why the rule cannot be checked on this one, if it cannot. */
  readonly needs?: (subject: T) => string | undefined;
  /**
   * Throws when the rule is broken.
   * @returns why it says nothing of this one, if only a look could tell
   */
  readonly check: (subject: T) => Promise<unknown>;
}

type RuleName = Pick<Rule<never>, "id" | "title">;

/** How the message of a broken rule begins. */
export function brokenBy({ id, title }: RuleName): string {
  return `${id} is broken: "${title}"\n`;
}

/** A rule was broken: names it, and says how. */
export class BrokenRule extends Error {
  override readonly name = "BrokenRule";
  readonly rule: string;
  constructor(rule: RuleName, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(`${brokenBy(rule)}${reason}`, { cause });
    this.rule = rule.id;
    // What vitest draws its comparison from.
    for (const key of ["actual", "expected", "showDiff"]) {
      if (typeof cause === "object" && cause !== null && key in cause) {
        Object.defineProperty(this, key, { value: Reflect.get(cause, key), writable: true });
      }
    }
  }
}

/**
 * Checks one rule.
 * @returns why it does not concern this one, if so
 * @throws `BrokenRule`
 */
export async function checkRule<T>(rule: Rule<T>, subject: T): Promise<string | undefined> {
  try {
    const left = await rule.check(subject);
    return typeof left === "string" ? left : undefined;
  } catch (error) {
    throw new BrokenRule(rule, error);
  }
}
