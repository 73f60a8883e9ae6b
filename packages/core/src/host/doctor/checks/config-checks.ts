import { readFile, stat } from "node:fs/promises";
import { isSecretName } from "../../../config/redact.ts";
import type { Finding, HealthCheck } from "../../../health/health-check.ts";
import type { DoctorHost } from "../doctor-host.ts";

const WORLD_READ = 0o004;
const OTHERS_WRITE = 0o022;

/** Who else may read or write the configuration; deprecated options; time-outs that make no sense. */
export function configChecks(host: DoctorHost): readonly HealthCheck[] {
  const { config } = host;
  return [
    {
      id: "config.permissions",
      fine: "nobody but their owners can change the configuration files, and none with a password is open to all",
      run: async () => (await Promise.all(config.files.map(permissions))).flat(),
    },
    {
      id: "config.deprecated",
      fine: "no deprecated option is set",
      run: async () =>
        config.warnings.map(({ message, ...place }): Finding => ({
          severity: "warning",
          finding: `${place.file ?? "the configuration"}: ${message}`,
          fix: "set what the message names, and take the old option out",
        })),
    },
    { id: "config.timeouts", fine: "time-outs leave enough time", run: async () => timeouts(host) },
  ];
}

async function permissions(file: string): Promise<readonly Finding[]> {
  const { mode, uid } = await stat(file);
  const octal = (mode & 0o7777).toString(8).padStart(4, "0");
  const findings: Finding[] = [];
  const me = process.geteuid?.() ?? 0;
  if ((mode & OTHERS_WRITE) !== 0 || ![0, me].includes(uid)) {
    findings.push({
      severity: "error",
      finding: `${file} can be changed by others (mode ${octal}, owner uid ${uid}): it says which code is loaded, and where passphrases go`,
      fix: `chown root ${file} && chmod go-w ${file}`,
    });
  }
  const secrets = secretsIn(await readFile(file, "utf8"));
  if ((mode & WORLD_READ) !== 0 && secrets.length > 0) {
    findings.push({
      severity: "error",
      finding: `${file} has passwords (${secrets.join(", ")}) and can be read by everybody (mode ${octal})`,
      fix: `chmod o-rwx ${file}, and change the passwords`,
    });
  }
  return findings;
}

/** Which options are passwords by their names; also Nova's own, which Luksmith does not read. */
function secretsIn(text: string): readonly string[] {
  let section = "";
  return text.split("\n").flatMap((line) => {
    section = /^\s*\[(.+)\]/u.exec(line)?.[1] ?? section;
    const [, name] = /^([\w.-]+)\s*[=:]\s*\S/u.exec(line) ?? [];
    return name !== undefined && isSecretName(name) ? [`[${section}] ${name}`] : [];
  });
}

/** Below these, a busy host gives up work that would have been done. */
const LEAST_COMMAND_S = 30;
const LEAST_STOP_S = 10;

function timeouts({ config: { luksmith } }: DoctorHost): readonly Finding[] {
  const findings: Finding[] = [];
  if (luksmith.command_timeout < LEAST_COMMAND_S) {
    findings.push({
      severity: "warning",
      finding: `[luksmith] command_timeout is ${luksmith.command_timeout} s: commands on large disks, or on a busy host, will be stopped half-way`,
      fix: `set it to ${LEAST_COMMAND_S} or more (default 600)`,
    });
  }
  if (luksmith.stop_timeout < LEAST_STOP_S) {
    findings.push({
      severity: "warning",
      finding: `[luksmith] stop_timeout is ${luksmith.stop_timeout} s: each stop of the daemon takes back what it is working on`,
      fix: `set it to ${LEAST_STOP_S} or more (default 60)`,
    });
  }
  return findings;
}
