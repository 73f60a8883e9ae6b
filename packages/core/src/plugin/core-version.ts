import { createRequire } from "node:module";

/** Core's own, of the copy that runs. */
export function coreVersion(): string {
  // Asserted: our own manifest
  return (createRequire(import.meta.url)("../../package.json") as { version: string }).version;
}
