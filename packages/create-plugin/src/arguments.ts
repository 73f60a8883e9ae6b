import { parseArgs } from "node:util";
import { CreateError } from "./create-error.ts";
import type { PluginOptions } from "./plugin-spec.ts";

export const USAGE = `Usage: npm create @luksmith/plugin FOLDER -- --kind backend|key-manager [options]

Makes a plugin for Luksmith that passes its contract suite, to be changed step by step.

  --kind KIND         backend (where disks are) or key-manager (where passphrases are)
  --package NAME      the npm package; by default the folder's name
  --name NAME         short name, in the configuration and in the code
  --license LICENSE   Apache-2.0 (default), MIT, ISC or UNLICENSED
  --description TEXT  one line
  --author TEXT       who holds the copyright
  --json              print one JSON document, ask nothing
  --help, --version
`;

export interface Arguments {
  readonly options: Partial<PluginOptions>;
  readonly json: boolean;
  readonly show?: "help" | "version";
}

/** @throws `CreateError` */
export function readArguments(args: readonly string[]): Arguments {
  const { values, positionals } = parse(args);
  const [folder, ...more] = positionals;
  if (more.length > 0) {
    throw new CreateError("UsageError", `one folder, please, not also ${more.join(" ")}`);
  }
  const show = values.help ? "help" : values.version ? "version" : undefined;
  return {
    json: values.json ?? false,
    ...(show ? { show } : {}),
    options: {
      ...(folder === undefined ? {} : { folder }),
      ...(values.kind === undefined ? {} : { kind: values.kind }),
      package: values.package,
      name: values.name,
      licence: values.license,
      description: values.description,
      author: values.author,
    },
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        kind: { type: "string" },
        package: { type: "string" },
        name: { type: "string" },
        license: { type: "string" },
        description: { type: "string" },
        author: { type: "string" },
        json: { type: "boolean" },
        help: { type: "boolean", short: "h" },
        version: { type: "boolean" },
      },
    });
  } catch (error) {
    throw new CreateError("UsageError", error instanceof Error ? error.message : String(error), error);
  }
}
