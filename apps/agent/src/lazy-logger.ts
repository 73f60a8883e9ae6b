import { createRequire } from "node:module";
import { type HostConfig, type Logger, LuksmithError } from "@luksmith/core/host";
import type { Logger as Pino, pino as PinoFactory } from "pino";

const LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LEVELS)[number];

/** Fields that are never written, at the top and one level down. `Passphrase` prints as redacted by itself. */
const SECRETS = ["passphrase", "password", "secret", "token", "userToken", "key", "authorization"];
const REDACT = SECRETS.flatMap((name) => [name, `*.${name}`]);

/**
 * The level that `LUKSMITH_LOG` asks for; undefined when it is not set.
 * @throws `UsageError`
 */
export function environmentLevel(env: Readonly<Record<string, string | undefined>>): LogLevel | undefined {
  const wanted = env["LUKSMITH_LOG"];
  if (!wanted) return undefined;
  const known = LEVELS.find((level) => level === wanted);
  if (known) return known;
  throw new LuksmithError("UsageError", `LUKSMITH_LOG=${wanted}: must be one of ${LEVELS.join(", ")}`);
}

/** The level that a file sets, else `warn`: unlike a daemon, a command has somebody who reads its result. */
export function configuredLevel(config: HostConfig | undefined): LogLevel {
  const entry = config?.entries().find(({ section, name }) => section === "luksmith" && name === "log_level");
  return !config || !entry || entry.source === "default" ? "warn" : config.luksmith.log_level;
}

/** A logger that loads pino, which takes longer to load than most commands to run, at the first line it writes. */
export function lazyLogger(level: LogLevel, write: (line: string) => void): Logger {
  let root: Pino | undefined;
  const load = (): Pino => {
    // Asserted: pino is CommonJS: its export is the factory
    const pino = createRequire(import.meta.url)("pino") as typeof PinoFactory;
    root ??= pino({ level, base: { pid: process.pid }, redact: REDACT }, { write });
    return root;
  };
  return loggerFor(level, load);
}

function loggerFor(level: LogLevel, load: () => Pino): Logger {
  let made: Pino | undefined;
  const method =
    (name: LogLevel) =>
    (fields: object, message: string): void => {
      if (LEVELS.indexOf(name) < LEVELS.indexOf(level)) return;
      made ??= load();
      made[name](fields, message);
    };
  return {
    debug: method("debug"),
    info: method("info"),
    warn: method("warn"),
    error: method("error"),
    child: (bindings) => loggerFor(level, () => load().child(bindings)),
  };
}
