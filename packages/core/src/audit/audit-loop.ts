import { StateDatabase } from "../journal/state-database.ts";
import { silentLogger } from "../log/logger.ts";
import { AuditLog } from "./audit-log.ts";

// For tests: appends until it is killed, and says on standard output what was promised. Arguments: folder, name, how many.
const [folder = "", name = "", most = "0"] = process.argv.slice(2);
const database = StateDatabase.open(folder, "write");
if (!database) throw new Error("no database");
const log = new AuditLog({
  database: () => database,
  directory: `${folder}/audit`,
  segmentBytes: 4000,
  host: "host-1",
  failure: "stop",
  log: silentLogger,
});
for (let i = 0; i < Number(most); i++) {
  await log.append({ event: "key.read", outcome: "ok", secret: `${name}-${i}` });
  process.stdout.write(`${name}-${i}\n`);
}
