import { dropCheckpoint, rollBack, takeCheckpoint } from "../src/checkpoints.ts";

/** Run by `crash.test.ts`, which kills it. */
const [directory = "", instanceUuid = "", name = ""] = process.argv.slice(2);
const place = { directory, instanceUuid, name };
process.stdout.write("begins\n");
for (;;) {
  await rollBack(place, "one");
  await dropCheckpoint(place, "copy");
  await takeCheckpoint(place, "copy");
  await rollBack(place, "two");
}
