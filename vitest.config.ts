import { availableParallelism } from "node:os";
import { join } from "node:path";
import { defineConfig } from "vitest/config";

// Every thread and process of ours strips the types of some forty files with a compiler in WebAssembly. What Node keeps of that is
// there at once; and threads that end while V8 still optimizes that compiler have ended whole test processes.
process.env["NODE_COMPILE_CACHE"] ??= join(import.meta.dirname, "node_modules/.cache/node-compile");

/** Tests run on the sources: the `luksmith-source` export condition points every workspace package at `src`. */
export default defineConfig({
  ssr: { resolve: { conditions: ["luksmith-source", "node", "import", "module", "default"] } },
  resolve: { conditions: ["luksmith-source", "node", "import", "module", "default"] },
  test: {
    include: [
      "packages/*/src/**/*.test.ts",
      "packages/*/test/**/*.test.ts",
      "apps/*/src/**/*.test.ts",
      "apps/*/test/**/*.test.ts",
      "bench/src/**/*.test.ts",
      "release/{src,test}/**/*.test.ts",
      "testing/src/**/*.test.ts",
      "testing/services/{src,test}/**/*.test.ts",
    ],
    // Starts nothing by itself: real OpenStack services for the tests that ask for them.
    globalSetup: ["testing/services/src/shared/global-setup.ts"],
    pool: "forks",
    // Much of the time goes to other programs: two workers pay also where there are but two processors.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    execArgv: ["--conditions=luksmith-source"],
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
