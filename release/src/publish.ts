import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkTarball } from "./check-tarball.ts";
import { pack } from "./pack.ts";
import { readManifest, releasedPackages } from "./packages.ts";
import { run } from "./run.ts";

export interface PublishOptions {
  /** The checkout, or a copy of it; built, with its versions raised. */
  readonly root: string;
  /**
   * Whether the registry gets a signed statement of which commit and which workflow made the packages. It needs a build service
   * that gives an identity, and the repository's address in each manifest.
   */
  readonly provenance: boolean;
  readonly env?: Readonly<Record<string, string>>;
  /** `checkPackages`, unless it was just done. */
  readonly check?: (root: string) => Promise<readonly string[]>;
}

/** What npm takes for an identity: GitHub's workflows, GitLab's id tokens. */
const IDENTITIES = ["ACTIONS_ID_TOKEN_REQUEST_URL", "SIGSTORE_ID_TOKEN"];

/** Checks every package as it would be in the registry. @returns one line for each problem */
export async function checkPackages(root: string): Promise<readonly string[]> {
  const folder = await mkdtemp(join(tmpdir(), "luksmith-packed-"));
  try {
    const problems: string[] = [];
    for (const released of releasedPackages(root)) {
      const found = await checkTarball(await pack(released, folder));
      problems.push(...found.map((problem) => `${released.name}: ${problem}`));
    }
    return problems;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * Publishes each version that the registry has not, and nothing if one package has a problem. Idempotent: run again after a failure half-way,
 * it publishes the rest.
 */
export async function publish({
  root,
  provenance,
  env = {},
  check = checkPackages,
}: PublishOptions): Promise<string> {
  const problems = [...provenanceProblems(root, provenance, env), ...(await check(root))];
  if (problems.length > 0) throw new Error(`nothing was published:\n${problems.join("\n")}`);
  return await run("changeset", ["publish", "--no-git-tag"], {
    cwd: root,
    env: { ...env, NPM_CONFIG_PROVENANCE: String(provenance) },
  });
}

export function provenanceProblems(
  root: string,
  provenance: boolean,
  env: Readonly<Record<string, string | undefined>>,
): readonly string[] {
  if (!provenance) return [];
  const known = { ...process.env, ...env };
  const problems = IDENTITIES.some((name) => known[name])
    ? []
    : [
        "provenance: this is not a build service that gives an identity; publish there, or with --no-provenance",
      ];
  for (const { name, folder } of releasedPackages(root)) {
    if (!("repository" in readManifest(folder))) {
      problems.push(
        `provenance: ${name} says not in which repository it is made ("repository" in its manifest)`,
      );
    }
  }
  return problems;
}
