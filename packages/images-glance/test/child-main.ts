import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeSync } from "node:fs";
import { givenToken, isLuksmithError, Passphrase } from "@luksmith/core";
import { testContext } from "../../testkit/src/index.ts";
import type { ChildOutcome, ChildScenario } from "./child.ts";
import { glanceService } from "./glance-service.ts";

/** Opens images in a process of its own, all at once, and says when `readyAtBytes` of one have come. */
const { servers, directory, ids, retries, readyAtBytes } = JSON.parse(
  process.argv[2] ?? "{}",
) as ChildScenario;
/** Through an inherited variable: arguments are seen by all. */
const token = process.env["TEST_TOKEN"] ?? "";
const service = glanceService(servers, directory, { retries });

let ready = false;
const ctx = testContext({
  userToken: givenToken(new Passphrase(Buffer.from(token))),
  progress: ({ doneBytes }) => {
    if (ready || readyAtBytes === undefined || doneBytes < readyAtBytes) return;
    ready = true;
    writeSync(1, "ready\n");
  },
});

async function digestOf(id: string): Promise<string> {
  await using file = await service.open(id, undefined, ctx);
  return createHash("sha512").update(readFileSync(file.path)).digest("hex");
}

const settled = await Promise.allSettled(ids.map(digestOf));
const outcome: ChildOutcome = {
  results: settled.map((each) => {
    if (each.status === "fulfilled") return each.value;
    return isLuksmithError(each.reason) ? each.reason.code : String(each.reason);
  }),
  names: readdirSync(directory).filter((name) => name !== "locks"),
};
writeSync(1, `${JSON.stringify(outcome)}\n`);
