import { errnoOf, LuksmithError } from "@luksmith/core/host";
import type { Interrupted, Io, Output } from "./io.ts";

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** This process's own streams, environment and signals. */
export function processIo(): Io {
  return {
    stdin: process.stdin,
    stdout: output(process.stdout, "standard output"),
    stderr: output(process.stderr, "standard error"),
    env: process.env,
    cwd: process.cwd(),
    onInterrupt,
  };
}

function output(stream: NodeJS.WriteStream, name: string): Output {
  stream.on("error", () => {}); // each write hears of its own error
  return {
    write: (data) =>
      new Promise((resolve, reject) => {
        stream.write(data, (error) => {
          // Whoever read has gone, as `head` does: nothing to complain about, and what runs goes on to its end.
          if (!error || errnoOf(error) === "EPIPE") resolve();
          else reject(lost(error, name));
        });
      }),
    isTTY: stream.isTTY,
    get columns() {
      return stream.columns;
    },
  };
}

function lost(error: Error, name: string): LuksmithError {
  return new LuksmithError(
    "IoError",
    `writing to ${name} failed: ${error.message}; what the command did stands, "luksmith list" and "luksmith show" print it again`,
    { cause: error, details: { errno: errnoOf(error) } },
  );
}

function onInterrupt(listener: Interrupted): () => void {
  for (const signal of SIGNALS) process.on(signal, listener);
  return () => {
    for (const signal of SIGNALS) process.off(signal, listener);
  };
}
