#!/usr/bin/env node
import module from "node:module";

const [major] = process.versions.node.split(".");
if (Number(major) < 24) {
  process.stderr.write(
    `luksmith: UsageError: luksmith needs Node 24 or newer, this is ${process.version} (${process.execPath}); install a newer one or put it first in PATH\n`,
  );
  process.exit(64);
}
module.enableCompileCache();
await import("../dist/main.js");
