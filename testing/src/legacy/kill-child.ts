import { writeSync } from "node:fs";
import { loadConfig, migrateLegacy, WritableHost } from "@luksmith/core/host";
import { testContext } from "../workspace.ts";
import { importVolumes } from "./file-volumes.ts";

/** Migrates an instance in a process of its own, with a checkpoint after each MiB. `ready` on standard output: it begins. */
const [configFile = "", uuid = ""] = process.argv.slice(2);
const config = await loadConfig({ files: [configFile] });
const ctx = testContext();
writeSync(1, "ready\n");
const options = { importModule: importVolumes, command: "a child of a test" };
await using host = await WritableHost.write(config, options, ctx);
// What was under way may have come to its end when this process looked for it.
const left = host.inventory.instance(uuid)?.disks.some(({ encryption }) => encryption?.format === "plain");
if (left) await migrateLegacy(host, uuid, { acceptUnproven: false, pieceBytes: 1n << 20n }, ctx);
