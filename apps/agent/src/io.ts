/** What the program has of the world around it, so that tests and harnesses can run it in their own process. */
export interface Io {
  readonly stdin: AsyncIterable<Uint8Array>;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Absolute; what relative paths on the command line start from. */
  readonly cwd: string;
  /** Calls `listener` at each SIGINT and SIGTERM until the returned function is called. */
  onInterrupt(listener: Interrupted): () => void;
}

export type Interrupted = (signal: NodeJS.Signals) => void;

export interface Output {
  /** Resolves when the bytes are out, or when nobody reads them any more. */
  write(data: string | Uint8Array): Promise<void>;
  readonly isTTY: boolean;
  /** Of the terminal, now. */
  readonly columns: number;
}
