import { pathToFileURL } from "node:url";
import { join } from "node:path";
import type { ImportModule } from "@luksmith/core/host";

/** Packages that are no dependencies of the harness are reached by path, here only. */
export {
  findSecret,
  InMemoryKeyManager,
  testContext,
  type TestContext,
} from "../../packages/testkit/src/index.ts";

const PACKAGES = join(import.meta.dirname, "../../packages");

/** Loads this repository's plugins from their sources, as the agent does from its dependencies. */
export const importWorkspace: ImportModule = (specifier) => {
  const [, name, entry = "index"] = /^@luksmith\/([a-z0-9-]+)(?:\/([a-z0-9-]+))?$/.exec(specifier) ?? [];
  if (name === undefined) throw new Error(`${specifier} is no package of this repository`);
  return import(pathToFileURL(join(PACKAGES, name, `src/${entry}.ts`)).href);
};

/** What the backend for Ceph does everything with. */
export const importRbdCluster = () => import("../../packages/backend-rbd/src/ceph/rbd-cluster.ts");
