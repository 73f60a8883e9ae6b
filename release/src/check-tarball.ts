import { readFile } from "node:fs/promises";
import { checkPackage, createPackageFromTarballData, type ProblemKind } from "@arethetypeswrong/core";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import type { Manifest } from "./packages.ts";

/**
 * What is meant for CommonJS or for resolvers older than `exports`: our packages are ECMAScript modules for Node 24, which
 * can `require` them.
 */
const NOT_OURS: ReadonlySet<ProblemKind> = new Set<ProblemKind>(["CJSResolvesToESM"]);
const OLD_RESOLVERS: ReadonlySet<string> = new Set(["node10"]);

/** What a package of ours must not have: sources, tests, maps of files that are not there, builders' notes. Templates are sources. */
const UNWANTED =
  /^(?!templates\/).*(?:\.(?:map|tsbuildinfo)$|\.test\.|(?<!\.d)\.ts$|\/fixtures\/|\.env$|\.npmrc$)/;

/**
 * Looks at a tarball as one who installs it: publint for the manifest, arethetypeswrong for the types, then our own rules.
 *
 * @returns one line for each problem
 */
export async function checkTarball(path: string): Promise<readonly string[]> {
  const bytes = new Uint8Array(await readFile(path));
  const lint = await publint({ pack: { tarball: bytes.buffer } });
  const manifest = lint.pkg as unknown as Manifest;
  const contents = createPackageFromTarballData(bytes);
  return [
    ...lint.messages.map((message) => `publint: ${formatMessage(message, lint.pkg) ?? message.code}`),
    ...(await typeProblems(contents)),
    ...checkManifest(manifest),
    ...checkFiles(contents.listFiles().map((file) => file.replace(`/node_modules/${manifest.name}/`, ""))),
  ];
}

async function typeProblems(contents: ReturnType<typeof createPackageFromTarballData>): Promise<string[]> {
  const result = await checkPackage(contents);
  if (!result.types) return ["types: it has none"];
  return result.problems
    .filter((problem) => !NOT_OURS.has(problem.kind))
    .filter((problem) => !("resolutionKind" in problem && OLD_RESOLVERS.has(problem.resolutionKind)))
    .map((problem) => `types: ${JSON.stringify(problem)}`);
}

/** Rules for a manifest as it is in the registry. */
export function checkManifest(manifest: Manifest): readonly string[] {
  const problems: string[] = [];
  if (manifest.license !== "Apache-2.0") problems.push(`manifest: licence ${String(manifest.license)}`);
  if (!manifest.description) problems.push("manifest: no description");
  if (!manifest.engines?.["node"]) problems.push("manifest: says not which Node it needs");
  const ranges = { ...manifest.dependencies, ...manifest.peerDependencies };
  for (const [name, range] of Object.entries(ranges)) {
    if (/^(?:workspace|file|link|git|http)/.test(range)) problems.push(`manifest: ${name} is ${range}`);
    // What others bring must hold for all minor versions that follow, or each release of core would force one of theirs.
    if (name in (manifest.peerDependencies ?? {}) && !range.startsWith("^")) {
      problems.push(`manifest: peer ${name} is ${range}, not a caret range`);
    }
  }
  return problems;
}

/** @param files - relative to the package */
export function checkFiles(files: readonly string[]): readonly string[] {
  const problems = files.filter((file) => UNWANTED.test(file)).map((file) => `files: ${file} is in it`);
  for (const wanted of ["LICENSE", "README.md"]) {
    if (!files.includes(wanted)) problems.push(`files: no ${wanted}`);
  }
  return problems;
}
