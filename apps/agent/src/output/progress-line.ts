import type { Progress, ProgressListener } from "@luksmith/core/host";
import type { Output } from "../io.ts";
import { formatBytes } from "./format-bytes.ts";

/** Ms between two writings of the line. */
const INTERVAL = 100;
const ERASE = "\r\u001b[K";

/** One line on a terminal that shows how far a long step is, rewritten in place and erased in the end. */
export class ProgressLine {
  readonly #output: Output;
  readonly #now: () => number;
  #step: string | undefined;
  #stepStarted = 0;
  #stepFrom = 0n;
  #written = Number.NEGATIVE_INFINITY;
  #shown = false;

  /** @param now - ms, never going back */
  constructor(output: Output, now: () => number = () => performance.now()) {
    this.#output = output;
    this.#now = now;
  }

  readonly update: ProgressListener = (progress) => {
    const now = this.#now();
    if (progress.step !== this.#step) {
      this.#step = progress.step;
      this.#stepStarted = now;
      this.#stepFrom = progress.doneBytes;
    }
    if (now - this.#written < INTERVAL) return;
    this.#written = now;
    this.#shown = true;
    const line = progressText(progress, progress.doneBytes - this.#stepFrom, now - this.#stepStarted);
    this.#write(`${ERASE}${line.slice(0, Math.max(1, (this.#output.columns || 80) - 1))}`);
  };

  clear(): void {
    if (!this.#shown) return;
    this.#shown = false;
    this.#write(ERASE);
  }

  #write(text: string): void {
    this.#output.write(text).catch(() => {});
  }
}

/** @param moved bytes in the last `ms` */
function progressText({ step, doneBytes, totalBytes }: Progress, moved: bigint, ms: number): string {
  // What is not counted in bytes says itself how far it is.
  if (totalBytes === 0n && doneBytes === 0n && /\d of \d/.test(step)) return step;
  const percent = totalBytes > 0n ? Number((doneBytes * 100n) / totalBytes) : 100;
  const parts = [`${step} ${percent}%`, `${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`];
  const perSecond = ms > 0 ? (Number(moved) * 1000) / ms : 0;
  if (perSecond > 0) {
    const seconds = Math.ceil(Number(totalBytes - doneBytes) / perSecond);
    parts.push(`${formatBytes(BigInt(Math.round(perSecond)))}/s`, `${duration(seconds)} left`);
  }
  return parts.join(", ");
}

function duration(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  const rest = `${String(seconds % 60).padStart(2, "0")} s`;
  return minutes < 60 ? `${minutes} min ${rest}` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
