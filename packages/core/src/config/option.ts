/** What every option has. */
interface Common {
  readonly section: string;
  readonly name: string;
  /** One sentence. */
  readonly help: string;
  /** Whose option it is: Nova's keep Nova's meaning, Luksmith's are refused when misspelled. */
  readonly owner: "nova" | "luksmith";
  readonly deprecated?: Deprecation;
}

/** Why not to set an option any more. */
export interface Deprecation {
  /** The release that deprecated it. */
  readonly since: string;
  /** What to do instead. */
  readonly replacement: string;
}

/** One row of the option table: pure data, from which types, checks and `docs/reference/config.md` follow. */
export type Option =
  | (Common & { readonly type: "string"; readonly default?: string })
  | (Common & { readonly type: "bool"; readonly default: boolean })
  | (Common & {
      readonly type: "int";
      readonly default: number;
      readonly min: number;
      readonly max?: number;
    })
  | (Common & { readonly type: "list"; readonly default: readonly string[] })
  /** Absolute; an empty default means that the help says what happens then. */
  | (Common & { readonly type: "path"; readonly default: string })
  | (Common & { readonly type: "choice"; readonly choices: readonly string[]; readonly default?: string });

/** Everything an option can be; `undefined` only where there is no default. */
export type OptionValue = string | number | boolean | readonly string[] | undefined;

interface Values {
  readonly string: string;
  readonly bool: boolean;
  readonly int: number;
  readonly list: readonly string[];
  readonly path: string;
  readonly choice: string;
}

type Given<O extends Option> = O extends { readonly choices: readonly (infer C)[] } ? C : Values[O["type"]];

/** The type of one option's value. */
export type ValueOf<O extends Option> = O extends { readonly default: unknown }
  ? Given<O>
  : Given<O> | undefined;

/** The values of a table of options, by section and name. */
export type ValuesOf<O extends Option> = {
  readonly [S in O["section"]]: {
    readonly [P in Extract<O, { readonly section: S }> as P["name"]]: ValueOf<P>;
  };
};
