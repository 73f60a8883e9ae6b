import { createRequire } from "node:module";
import { type HostConfig, type Logger, LuksmithError } from "@luksmith/core/host";
import type { Logger as Pino, pino as PinoFactory } from "pino";

const LEVELS = ["debug", "info", "warn", "error"] as const;
type Level = (typeof LEVELS)[number];

/** Fields that are never written, at the top and one level down. `Passphrase` prints as redacted by itself. */
const SECRETS = ["passphrase", "password", "secret", "token", "userToken", "key", "authorization"];
const REDACT = SECRETS.flatMap((name) => [name, `*.${name}`]);

/**
 * What a command logs: `LUKSMITH_LOG`, else `[luksmith] log_level` where a file sets it, else `warn`: unlike a daemon,
 * a command has somebody who reads its result.
 * @throws `UsageError`
 */
export function logLevel(config: HostConfig, env: Readonly<Record<string, string | undefined>>): Level {
  const wanted = env["LUKSMITH_LOG"];
  if (wanted) {
    const known = LEVELS.find((level) => level === wanted);
    if (known) return known;
    throw new LuksmithError("UsageError", `LUKSMITH_LOG=${wanted}: must be one of ${LEVELS.join(", ")}`);
  }
  const entry = config.entries().find(({ section, name }) => section === "luksmith" && name === "log_level");
  return entry === undefined || entry.source === "default" ? "warn" : config.luksmith.log_level;
}

/** A logger that loads pino, which takes longer to load than most commands to run, at the first line it writes. */
export function lazyLogger(level: Level, write: (line: string) => void): Logger {
  let root: Pino | undefined;
  const load = (): Pino => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- pino is CommonJS: its export is the factory
    const pino = createRequire(import.meta.url)("pino") as typeof PinoFactory;
    root ??= pino({ level, base: { pid: process.pid }, redact: REDACT }, { write });
    return root;
  };
  return loggerFor(level, load);
}

function loggerFor(level: Level, load: () => Pino): Logger {
  let made: Pino | undefined;
  const method =
    (name: Level) =>
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
