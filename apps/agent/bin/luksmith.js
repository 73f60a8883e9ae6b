#!/usr/bin/env node
import module from "node:module";
import { userInfo } from "node:os";
import { join } from "node:path";

const [major] = process.versions.node.split(".");
if (Number(major) < 24) {
  process.stderr.write(
    `luksmith: UsageError: luksmith needs Node 24 or newer, this is ${process.version} (${process.execPath}); install a newer one or put it first in PATH\n`,
  );
  process.exit(64);
}
// Not where Node would keep it: whoever makes that folder in /tmp first could exchange what root runs. Nor by HOME, which sudo may leave.
try {
  module.enableCompileCache(join(userInfo().homedir, ".cache/luksmith"));
} catch {
  // A user whom the system does not know has no home: without.
}
await import("../dist/main.js");
