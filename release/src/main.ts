/** `npm run release -- COMMAND`: what CONTRIBUTING.md says of releases, as commands. */
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { apiReport, reportPath, REPORTED } from "./api-report.ts";
import { buildDeb } from "./deb/build-deb.ts";
import { noticesOf } from "./notices.ts";
import { ROOT } from "./packages.ts";
import { checkPackages, publish } from "./publish.ts";
import { run } from "./run.ts";
import { licenceProblems, sbomOf } from "./sbom.ts";

const HELP = `npm run release -- COMMAND

  check                      every package, packed, as one who installs it sees it
  api                        writes the reports of public signatures; look at their diff
  version                    raises versions and writes the change logs of what waits in .changeset
  publish [--no-provenance]  publishes what the registry has not yet; checks first
  deb [--version V] [--output FOLDER]
                             builds the Debian package, with Node in it, of what is built; in dist-deb if no folder is given
  sbom FOLDER                writes sbom.cdx.json and THIRD-PARTY-NOTICES beside FOLDER/node_modules
`;

const [command, ...rest] = process.argv.slice(2);
switch (command) {
  case "check":
    report(await checkPackages(ROOT));
    break;
  case "api":
    for (const name of REPORTED) {
      await mkdir(dirname(reportPath(name)), { recursive: true });
      await writeFile(reportPath(name), await apiReport(name));
    }
    break;
  case "version":
    process.stdout.write(await run("changeset", ["version"], { cwd: ROOT }));
    break;
  case "publish": {
    const changed = await run("git", ["status", "--porcelain"], { cwd: ROOT });
    if (changed !== "") report([`the checkout has changes that no commit has:\n${changed}`]);
    else process.stdout.write(await publish({ root: ROOT, provenance: !rest.includes("--no-provenance") }));
    break;
  }
  case "sbom": {
    const folder = resolve(rest[0] ?? ".");
    const sbom = await sbomOf(folder);
    await writeFile(join(folder, "sbom.cdx.json"), `${JSON.stringify(sbom, undefined, 2)}\n`);
    await writeFile(join(folder, "THIRD-PARTY-NOTICES"), noticesOf(join(folder, "node_modules")));
    report(licenceProblems(sbom));
    break;
  }
  case "deb": {
    const { values } = parseArgs({
      args: rest,
      options: { version: { type: "string" }, output: { type: "string" } },
    });
    const { version, output = join(ROOT, "dist-deb") } = values;
    process.stdout.write(`${await buildDeb({ output: resolve(output), ...(version ? { version } : {}) })}\n`);
    break;
  }
  default:
    process.stderr.write(HELP);
    process.exitCode = command === undefined || command === "help" ? 0 : 64;
}

function report(problems: readonly string[]): void {
  for (const problem of problems) process.stderr.write(`luksmith release: ${problem}\n`);
  if (problems.length > 0) process.exitCode = 1;
}
