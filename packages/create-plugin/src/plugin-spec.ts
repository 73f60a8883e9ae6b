import { basename, resolve } from "node:path";
import { CreateError } from "./create-error.ts";

export const KINDS = ["backend", "key-manager"] as const;
export type Kind = (typeof KINDS)[number];

/** SPDX identifiers; `UNLICENSED` is npm's word for "all rights reserved". */
export const LICENCES = ["Apache-2.0", "MIT", "ISC", "UNLICENSED"] as const;
export type Licence = (typeof LICENCES)[number];

/** What a person may say; only the folder and the kind have no default. */
export interface PluginOptions {
  readonly folder: string;
  readonly kind: string;
  /** The package; by default the folder's name. */
  readonly package?: string | undefined;
  /** The plugin's short name, in the configuration and in identifiers; by default the package's without affixes. */
  readonly name?: string | undefined;
  readonly licence?: string | undefined;
  readonly description?: string | undefined;
  /** Who holds the copyright. */
  readonly author?: string | undefined;
}

export interface PluginSpec {
  /** Absolute. */
  readonly folder: string;
  readonly kind: Kind;
  readonly package: string;
  readonly name: string;
  readonly licence: Licence;
  readonly description: string;
  readonly author: string | undefined;
}

/** As npm's documentation of package.json has it, under "name". */
const PACKAGE = /^(?:@[a-z0-9-][a-z0-9._-]*\/)?[a-z0-9][a-z0-9._-]*$/;
const PACKAGE_CHARACTERS = 214;
const NAME = /^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/;
const NAME_CHARACTERS = 40;
/** Words that say only what kind of thing it is. */
const AFFIXES = /^(?:luksmith-)?(?:backend-|keymgr-|key-manager-)?|-?(?:backend|keymgr|key-manager|plugin)$/g;

/** What Luksmith comes with, and `images_type`s with a meaning of their own. */
const TAKEN: Readonly<Record<Kind, readonly string[]>> = {
  backend: ["raw", "flat", "default", "qcow2", "lvm", "rbd"],
  "key-manager": ["local", "barbican"],
};

/** Checks what was asked for and fills in the rest. @throws `CreateError` */
export function specify(options: PluginOptions): PluginSpec {
  const kind = oneOf("kind", options.kind, KINDS);
  const licence = oneOf("license", options.licence ?? "Apache-2.0", LICENCES);
  if (options.folder === "") throw new CreateError("UsageError", "name the folder to make");
  const folder = resolve(options.folder);
  const packageName = requirePackage(options.package ?? basename(folder));
  const name = requireName(options.name ?? shortName(packageName), kind, options.name === undefined);
  const what = kind === "backend" ? "an image backend" : "a key manager";
  const description = options.description ?? `${name}: ${what} for Luksmith`;
  if (/[\n\r\0]/.test(description + (options.author ?? ""))) {
    throw new CreateError("UsageError", "description and author are one line each");
  }
  return { folder, kind, package: packageName, name, licence, description, author: options.author };
}

/** `@corp/luksmith-backend-tape` is `tape`. */
function shortName(packageName: string): string {
  const bare = packageName.replace(/^@[^/]*\//, "").replaceAll(/[._]/g, "-");
  return bare.replaceAll(AFFIXES, "") || bare;
}

function requirePackage(name: string): string {
  if (PACKAGE.test(name) && name.length <= PACKAGE_CHARACTERS && name !== "node_modules") return name;
  throw new CreateError(
    "InvalidName",
    `${JSON.stringify(name)} cannot be the name of a package: lower case letters, digits, ".", "_" and "-", beginning with a letter or digit, at most ${PACKAGE_CHARACTERS}, perhaps after @scope/; give one with --package`,
  );
}

function requireName(name: string, kind: Kind, derived: boolean): string {
  const whence = derived ? " (made of the package's name; give another with --name)" : "";
  if (!NAME.test(name) || name.length > NAME_CHARACTERS) {
    throw new CreateError(
      "InvalidName",
      `${JSON.stringify(name)}${whence} cannot be a plugin's name: lower case words of letters and digits with "-" between them, at most ${NAME_CHARACTERS} characters`,
    );
  }
  if (!TAKEN[kind].includes(name)) return name;
  throw new CreateError(
    "InvalidName",
    `Luksmith has a ${kind} ${name} already${whence}; choose another name`,
  );
}

function oneOf<const T extends string>(option: string, value: string, values: readonly T[]): T {
  const found = values.find((each) => each === value);
  if (found !== undefined) return found;
  throw new CreateError(
    "UsageError",
    `--${option} is one of ${values.join(", ")}, not ${JSON.stringify(value)}`,
  );
}
