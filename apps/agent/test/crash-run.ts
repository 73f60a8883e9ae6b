import { run } from "../src/index.ts";
import { processIo } from "../src/process-io.ts";

/** Runs the command line of its arguments but the first, and is killed at the journal event that is the first. */
const [last = "", ...argv] = process.argv.slice(2);
process.exitCode = await run(argv, processIo(), {
  onJournal: ({ event }) => {
    if (event.startsWith(last)) process.kill(process.pid, "SIGKILL");
  },
});
