import { randomUUID } from "node:crypto";
import { type HostConfig, loadConfig, type Logger, type OpContext } from "@luksmith/core/host";
import { ReadableHost, WritableHost } from "@luksmith/core/host";
import { importPlugin } from "./import-plugin.ts";
import type { Io } from "./io.ts";
import { configuredLevel, environmentLevel, lazyLogger, type LogLevel } from "./lazy-logger.ts";
import { ProgressLine } from "./output/progress-line.ts";
import type { RunOptions } from "./run.ts";
import { type UserToken, userToken } from "./input/user-token.ts";

/** The options that every command takes. */
export interface GlobalOptions {
  readonly configFile?: readonly string[];
  readonly json?: boolean;
  readonly osCloud?: string;
  readonly osTokenStdin?: boolean;
}

/** What one command line has to work with: its configuration, host and context, each made when it is asked for. */
export class Session {
  readonly io: Io;
  readonly json: boolean;
  /** Standard input is the user's token. */
  readonly osTokenStdin: boolean;
  readonly #globals: GlobalOptions;
  readonly #signal: AbortSignal;
  readonly #command: string;
  readonly #options: RunOptions;
  readonly #progress: ProgressLine | undefined;
  #config: Promise<HostConfig> | undefined;
  #user: Promise<UserToken | undefined> | undefined;
  readonly #level: LogLevel | undefined;
  #log: Logger | undefined;

  /** @throws `UsageError` */
  constructor(io: Io, globals: GlobalOptions, signal: AbortSignal, command: string, options: RunOptions) {
    this.io = io;
    this.json = globals.json ?? false;
    this.osTokenStdin = globals.osTokenStdin ?? false;
    this.#globals = globals;
    this.#signal = signal;
    this.#command = command;
    this.#options = options;
    this.#level = environmentLevel(io.env);
    this.#progress = io.stderr.isTTY && !this.json ? new ProgressLine(io.stderr) : undefined;
  }

  /** At the level that the configuration says, once it is read. */
  get log(): Logger {
    return this.#log ?? this.#logger(undefined);
  }

  config(): Promise<HostConfig> {
    this.#config ??= this.#load();
    return this.#config;
  }

  async context(): Promise<OpContext> {
    await this.config();
    const requestId = `req-${randomUUID()}`;
    const log = this.log.child({ requestId });
    const progress = this.#progress?.update;
    this.#user ??= userToken(this.#globals, this.io);
    const user = await this.#user;
    return {
      requestId,
      signal: this.#signal,
      log,
      ...(user ? { userToken: user } : {}),
      ...(progress ? { progress } : {}),
    };
  }

  /** The host for looking; changes nothing. The caller disposes it. */
  async read(): Promise<ReadableHost> {
    return ReadableHost.read(await this.config(), importPlugin);
  }

  /** The host for changing; whatever was left unfinished has been ended. The caller disposes it. */
  async write(ctx: OpContext): Promise<WritableHost> {
    const { onJournal } = this.#options;
    const options = { importModule: importPlugin, command: `luksmith ${this.#command}` };
    return WritableHost.write(await this.config(), { ...options, ...(onJournal ? { onJournal } : {}) }, ctx);
  }

  /** The command's result: one JSON document, or the text for people. */
  async print(document: unknown, text: () => string): Promise<void> {
    this.#progress?.clear();
    await this.io.stdout.write(this.json ? `${JSON.stringify(document, undefined, 2)}\n` : text());
  }

  /** Takes away what shows only while something runs, and wipes the user's token. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#progress?.clear();
    const user = await this.#user?.catch(() => undefined);
    user?.[Symbol.dispose]?.();
  }

  async #load(): Promise<HostConfig> {
    const config = await loadConfig({ files: this.#globals.configFile ?? [] });
    this.#log = this.#logger(config);
    for (const { message, ...place } of config.warnings) {
      this.#log.warn({ ...place, problem: message }, "deprecated option");
    }
    return config;
  }

  #logger(config: HostConfig | undefined): Logger {
    return lazyLogger(this.#level ?? configuredLevel(config), (line) => this.#writeLog(line));
  }

  #writeLog(line: string): void {
    this.#progress?.clear();
    this.io.stderr.write(line).catch(() => {});
  }
}
