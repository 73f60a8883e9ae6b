import { defineConfig } from "vitest/config";

/** For tests that run in the device-mapper kernel; see `testsInside`. On the sources, as those outside. */
export default defineConfig({
  ssr: { resolve: { conditions: ["luksmith-source", "node", "import", "module", "default"] } },
  resolve: { conditions: ["luksmith-source", "node", "import", "module", "default"] },
  test: {
    root: process.cwd(),
    include: ["**/*.inside.ts"],
    exclude: ["**/node_modules/**"],
    pool: "forks",
    // One processor, on which a process starts slowly.
    maxWorkers: 1,
    isolate: false,
    execArgv: ["--conditions=luksmith-source"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
