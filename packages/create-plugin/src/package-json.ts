import { rangeOf } from "./own-package.ts";
import type { PluginSpec } from "./plugin-spec.ts";

const DEVELOPMENT = [
  "@changesets/cli",
  "@luksmith/core",
  "@luksmith/testkit",
  "@types/node",
  "typescript",
  "vitest",
] as const;

/** The new plugin's manifest. Core is a peer: the host has one, and the plugin must use that one. */
export function packageJson(spec: PluginSpec): string {
  const manifest = {
    name: spec.package,
    version: "0.0.0",
    description: spec.description,
    keywords: ["luksmith", "luksmith-plugin", `luksmith-${spec.kind}`],
    license: spec.licence,
    ...(spec.author === undefined ? {} : { author: spec.author }),
    files: ["dist"],
    type: "module",
    sideEffects: false,
    exports: { ".": { types: "./dist/index.d.ts", default: "./dist/index.js" } },
    scripts: {
      build: "tsc -p tsconfig.build.json",
      test: "tsc && vitest run",
      prepack: "npm run build",
      changeset: "changeset",
      "version-packages": "changeset version",
      release: "changeset publish",
    },
    dependencies: { zod: rangeOf("zod") },
    devDependencies: Object.fromEntries(DEVELOPMENT.map((name) => [name, rangeOf(name)])),
    peerDependencies: { "@luksmith/core": rangeOf("@luksmith/core") },
    engines: { node: ">=24" },
  };
  return `${JSON.stringify(manifest, undefined, 2)}\n`;
}
