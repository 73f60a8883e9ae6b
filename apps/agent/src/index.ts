export type { Interrupted, Io, Output } from "./io.ts";
export { run, type RunOptions } from "./run.ts";
