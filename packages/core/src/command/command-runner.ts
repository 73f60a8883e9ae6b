import type { Passphrase } from "@luksmith/luks";
import { token } from "../di/token.ts";
import type { OpContext } from "../image/op-context.ts";

/** One external command, without a shell. Secrets go through `secretFds` or `stdin`, never `args` or `env`. */
export interface Command {
  /** A program name looked up in PATH, or an absolute path. */
  readonly file: string;
  readonly args: readonly string[];
  readonly stdin?: Passphrase | Uint8Array;
  /**
   * Each passphrase becomes an unlinked 0600 file on tmpfs, inherited as file descriptor 3, 4, …; name it
   * `/dev/fd/3` in `args`. (Pipes will not do: Node's are sockets, which cannot be reopened by path.)
   */
  readonly secretFds?: readonly Passphrase[];
  /** Open file descriptors of ours that the child inherits after the secrets'. They stay open here. */
  readonly inheritFds?: readonly number[];
  /** Added to a minimal environment (PATH, HOME, LC_ALL=C). */
  readonly env?: Readonly<Record<string, string>>;
  /** Default 60 000 ms; then SIGTERM, and SIGKILL if it does not end. */
  readonly timeoutMs?: number;
  /** Exit codes that are not errors; default `[0]`. */
  readonly okExitCodes?: readonly number[];
  /** Kernel limits for programs that read what strangers made (setrlimit(2)). */
  readonly limits?: { readonly addressSpaceBytes: number; readonly cpuSeconds: number };
  /** Gets standard output piece by piece as well; for progress. */
  readonly onStdout?: (text: string) => void;
  /** Bytes of output kept, default 1 MiB; more is an error. */
  readonly maxOutputBytes?: number;
}

export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The only door to other programs. */
export interface CommandRunner {
  /**
   * @throws `CommandFailed` (with the last 2 kB of standard error), `CommandNotFound` (naming the Debian package
   * where known), `CommandTimedOut`, `Cancelled`
   */
  run(command: Command, ctx: OpContext): Promise<CommandResult>;
}

export const Commands = token<CommandRunner>("luksmith.command-runner");
