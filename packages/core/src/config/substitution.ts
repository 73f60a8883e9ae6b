/** How long a value may get, and how deep references may go: a small file could otherwise fill the memory. */
const MAX_LENGTH = 64 * 1024;
const MAX_DEPTH = 32;
/** How many references that nothing answers to are reported of one option. */
const MAX_UNKNOWN = 8;

const TOO_LONG = `is longer than ${MAX_LENGTH} characters with its references replaced`;

/** `$$`, `$name`, `${name}`, where a name may be `section.name`. Any other `$` is a character like others. */
const REFERENCE = /\$(?:(\$)|([a-z_][a-z0-9_.]*)|\{([a-z_][a-z0-9_.]*)\})/gi;

/** The unreplaced text of an option, `""` if it has none, or `undefined` if there is no such option. */
export type Lookup = (section: string, name: string) => string | undefined;

/** What became of a text: `unknown` names the references that nothing answers to; they are left as they are. */
export interface Expanded {
  readonly text: string;
  readonly unknown: readonly string[];
  /** Why expansion was given up; `text` is then the text as written. */
  readonly failure?: string;
}

/**
 * Replaces references as oslo.config does: `$name` is looked up in the section it stands in, then in `DEFAULT`;
 * `$section.name` in that section. `\$` and `$$` are a dollar sign.
 */
export class Substitution {
  readonly #lookup: Lookup;
  readonly #known = new Map<string, Expanded>();
  readonly #open = new Set<string>();

  constructor(lookup: Lookup) {
    this.#lookup = lookup;
  }

  /** Expands a text that stands in `section`. */
  expand(written: string, section: string): Expanded {
    const unknown = new Set<string>();
    let failure: string | undefined;
    let length = 0;
    const replace = (whole: string, dollar?: string, bare?: string, braced?: string): string => {
      const name = bare ?? braced;
      if (dollar !== undefined || name === undefined) return "$";
      if (failure !== undefined) return whole;
      const inner = this.#reference(name, section);
      for (const reference of inner?.unknown ?? [whole]) {
        if (unknown.size < MAX_UNKNOWN) unknown.add(reference);
      }
      const text = inner?.text ?? whole;
      length += text.length;
      failure = length > MAX_LENGTH ? TOO_LONG : inner?.failure;
      return text;
    };

    const text = written.replaceAll("\\$", "$$$$").replace(REFERENCE, replace);
    return failure === undefined ? { text, unknown: [...unknown] } : { text: written, unknown: [], failure };
  }

  #reference(reference: string, from: string): Expanded | undefined {
    const target = this.#find(reference, from);
    if (target === undefined) return undefined;
    const key = `${target.section}\n${target.name}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;

    const failed = (failure: string): Expanded => ({ text: "", unknown: [], failure });
    if (this.#open.has(key)) return failed(`refers to itself through $${reference}`);
    if (this.#open.size >= MAX_DEPTH) return failed(`has references nested deeper than ${MAX_DEPTH}`);
    this.#open.add(key);
    const expanded = this.expand(target.text, target.section);
    this.#open.delete(key);
    this.#known.set(key, expanded);
    return expanded;
  }

  #find(reference: string, from: string): { section: string; name: string; text: string } | undefined {
    const dot = reference.indexOf(".");
    const candidates =
      dot < 0
        ? [
            { section: from, name: reference },
            { section: "DEFAULT", name: reference },
          ]
        : [{ section: reference.slice(0, dot), name: reference.slice(dot + 1) }];
    for (const { section, name } of candidates) {
      const text = this.#lookup(section, name);
      if (text !== undefined) return { section, name, text };
    }
    return undefined;
  }
}
