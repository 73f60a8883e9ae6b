import { createRequire } from "node:module";

/** The agent's own. */
export function version(): string {
  // Asserted: our own manifest
  return (createRequire(import.meta.url)("../package.json") as { version: string }).version;
}
