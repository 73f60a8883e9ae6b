import { processIo } from "./process-io.ts";
import { run } from "./run.ts";

// All output is out when `run` resolves; leaving at once gives a late signal no time to turn success into a kill.
process.exit(await run(process.argv.slice(2), processIo()));
