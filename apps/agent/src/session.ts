import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import {
  guardedImport,
  type HostConfig,
  invoker,
  type JournalListener,
  loadConfig,
  type Logger,
  type OpContext,
  type OpenHostOptions,
  type Origin,
  ReadableHost,
  WritableHost,
} from "@luksmith/core/host";
import type { Action } from "./actions/action.ts";
import type { DaemonClient } from "./client/daemon-client.ts";
import type { Io } from "./io.ts";
import { pluginModules } from "./plugin-modules.ts";
import { configuredLevel, environmentLevel, lazyLogger, type LogLevel } from "./lazy-logger.ts";
import { ProgressLine } from "./output/progress-line.ts";
import type { RunOptions } from "./run.ts";
import type { Stopper } from "./stopper.ts";
import { type UserToken, userToken } from "./input/user-token.ts";

/** The options that every command takes. */
export interface GlobalOptions {
  readonly configFile?: readonly string[];
  readonly json?: boolean;
  readonly osCloud?: string;
  readonly osTokenStdin?: boolean;
}

/** Characters of a command line that the audit log keeps. */
const MOST_PURPOSE = 300;

const SERVICE = {
  first: "stopping; what runs is given time to end",
  again: "still stopping; what runs ends or is taken back, and must not be cut short",
};

/** What one command line has to work with: its configuration, host and context, each made when it is asked for. */
export class Session {
  readonly io: Io;
  readonly json: boolean;
  /** Standard input is the user's token. */
  readonly osTokenStdin: boolean;
  readonly #globals: GlobalOptions;
  readonly #stop: Stopper;
  readonly #command: string;
  readonly #options: RunOptions;
  readonly #progress: ProgressLine | undefined;
  #config: Promise<HostConfig> | undefined;
  #user: Promise<UserToken | undefined> | undefined;
  readonly #level: LogLevel | undefined;
  #log: Logger | undefined;

  /** @throws `UsageError` */
  constructor(io: Io, globals: GlobalOptions, stop: Stopper, command: string, options: RunOptions) {
    this.io = io;
    this.json = globals.json ?? false;
    this.osTokenStdin = globals.osTokenStdin ?? false;
    this.#globals = globals;
    this.#stop = stop;
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

  /** The files that `--config-file` named; none: the default ones. */
  get configFiles(): readonly string[] {
    return this.#globals.configFile ?? [];
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
      signal: this.#stop.signal,
      log,
      origin: { via: "command", who: await invoker(), purpose: this.#command.slice(0, MOST_PURPOSE) },
      ...(user ? { userToken: user } : {}),
      ...(progress ? { progress } : {}),
    };
  }

  /** For the daemon itself: it acts as nobody, logs as the configuration says, and lets things end when it is stopped. */
  async serviceContext(): Promise<OpContext> {
    const config = await this.config();
    this.#stop.words = SERVICE;
    this.#log = lazyLogger(this.#level ?? config.luksmith.log_level, (line) => this.#writeLog(line));
    const origin: Origin = { via: "daemon", who: await invoker(), purpose: "serve" };
    return { requestId: `req-${randomUUID()}`, signal: this.#stop.signal, log: this.#log, origin };
  }

  /** The daemon that works on this host's state; undefined: there is none. */
  async daemon(): Promise<DaemonClient | undefined> {
    const config = await this.config();
    if (!existsSync(config.luksmith.socket)) return undefined;
    const { DaemonClient: client } = await import("./client/daemon-client.ts");
    return await client.find(config);
  }

  /** Changes the host, by the daemon where one runs. */
  async perform<I, D>(action: Action<I, D>, input: I): Promise<D> {
    const daemon = await this.daemon();
    const ctx = await this.context();
    // Asserted: the daemon runs the same action.
    if (daemon) return (await daemon.perform(action.request(input), ctx)) as D;
    await using host = await this.write(ctx);
    return await action.run(host, input, ctx);
  }

  /** The host for looking; changes nothing. The caller disposes it. */
  async read(): Promise<ReadableHost> {
    const config = await this.config();
    return ReadableHost.read(config, guardedImport(pluginModules, config.luksmith), this.log);
  }

  /** The host for changing; whatever was left unfinished has been ended. The caller disposes it. */
  async write(
    ctx: OpContext,
    told: Pick<OpenHostOptions, "onJournal" | "onKeyManager"> = {},
  ): Promise<WritableHost> {
    const config = await this.config();
    const importModule = guardedImport(pluginModules, config.luksmith);
    const options = { importModule, command: `luksmith ${this.#command}`, ...told };
    const { onJournal: watch } = this.#options;
    const { onJournal } = told;
    const both: JournalListener = (event) => {
      onJournal?.(event);
      watch?.(event);
    };
    return WritableHost.write(config, { ...options, onJournal: both }, ctx);
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
    const config = await loadConfig({ files: this.configFiles });
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
