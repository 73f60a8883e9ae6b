import { parseArgs } from "node:util";
import { PEOPLE, type UserName } from "./openstack/people.ts";
import { SERVICE_NAMES } from "./openstack/services.ts";
import { type OwnOpenStack, startOpenStack } from "./openstack/start-openstack.ts";

const USAGE = `usage: node testing/services/src/main.ts start [--user NAME] [--region RegionOne|RegionNew]
                                               [--services NAME,...]

Starts Keystone, two Barbicans, Placement and Glance (or only some: keystone, barbican, barbican-new, placement,
glance; Keystone always), prints the variables with which a client logs in as NAME
(default alice), and stays until Ctrl-C. Then nothing is left.
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    user: { type: "string", default: "alice" },
    region: { type: "string", default: "RegionOne" },
    services: { type: "string", default: SERVICE_NAMES.join(",") },
    help: { type: "boolean" },
  },
});

if (values.help === true || positionals.join(" ") !== "start" || !isUser(values.user)) {
  process.stderr.write(USAGE);
  process.exitCode = values.help === true ? 0 : 2;
} else {
  await start(values.user, values.region);
}

async function start(user: UserName, region: string): Promise<void> {
  const began = performance.now();
  const wanted = new Set(values.services.split(","));
  const environment = await startOpenStack({ services: SERVICE_NAMES.filter((name) => wanted.has(name)) });
  const stopped = Promise.withResolvers<void>();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.once(signal, () => stopped.resolve());
  describe(environment, user, region, (performance.now() - began) / 1000);
  await stopped.promise;
  await environment[Symbol.asyncDispose]();
}

/** The variables go to standard output, what a person wants to know to standard error. */
function describe(environment: OwnOpenStack, user: UserName, region: string, seconds: number): void {
  for (const [name, value] of Object.entries(environment.environmentFor(user, region))) {
    process.stdout.write(`export ${name}=${value}\n`);
  }
  const { urls, info } = environment;
  process.stderr.write(`\nReady in ${seconds.toFixed(1)} s, until Ctrl-C. State: ${info.stateDirectory}\n`);
  for (const [name, url] of Object.entries(urls)) process.stderr.write(`  ${name.padEnd(12)} ${url}\n`);
  process.stderr.write(`Users: ${Object.keys(PEOPLE).join(", ")}\n`);
}

function isUser(name: string): name is UserName {
  return Object.hasOwn(PEOPLE, name);
}
