import { parseArguments, USAGE, UsageError } from "./arguments.ts";
import { runWorks } from "./bench.ts";
import type { Verdict } from "./harness/requirement.ts";
import { verdictLine } from "./harness/requirement.ts";
import { HEADER, type JsonRow, jsonRow, table } from "./harness/report.ts";
import { WORKS } from "./works/index.ts";

/** Replaces the line of progress; only people see it. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001B[K${text}`);
}

async function main(): Promise<number> {
  const names = WORKS.map(({ name }) => name);
  const options = parseArguments(process.argv.slice(2), names);
  if (options.help) {
    const works = WORKS.map(({ name, about }) => `  ${name.padEnd(13)} ${about}`);
    console.log([USAGE, ...works].join("\n"));
    return 0;
  }
  const chosen = WORKS.filter(({ name, onlyWhenNamed }) =>
    options.only.length === 0 ? !onlyWhenNamed : options.only.includes(name),
  );
  const json: JsonRow[] = [];
  const verdicts: Verdict[] = [];
  if (!options.json) console.log(HEADER);
  await runWorks(chosen, options, progress, (_work, result) => {
    progress("");
    json.push(...result.rows.map(jsonRow));
    verdicts.push(...result.verdicts);
    if (!options.json) console.log(["", table(result.rows), ...(result.notes ?? [])].join("\n"));
  });
  if (options.json) console.log(JSON.stringify(json, undefined, 2));
  if (!options.check) return 0;
  const lines = verdicts.map(verdictLine).join("\n");
  if (options.json) console.error(lines);
  else console.log(`\n${lines}`);
  return verdicts.every(({ passed }) => passed) ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  progress("");
  console.error(error instanceof UsageError ? `bench: ${error.message}\n\n${USAGE}` : error);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
