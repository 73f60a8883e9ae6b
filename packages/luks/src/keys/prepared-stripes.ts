import { STRIPES } from "../header/luks-header.ts";
import { foldedStripes, type FoldedStripes } from "./anti-forensic.ts";

/** Bytes of the keys that `formatContainer` makes, and its hash: what stripes can be prepared for. */
const KEY_BYTES = 64;
const HASH = "sha256";
const MOST = 4;
/** Milliseconds without work before stripes are prepared. */
const IDLE = 5;

/**
 * Random stripes with their diffusion, made in a thread's idle time. All of an anti-forensic split but its last stripe
 * depends on neither key nor passphrase, and costs most of a format; a stream of formats gets nothing from it.
 */
const prepared: FoldedStripes[] = [];
let timer: NodeJS.Timeout | undefined;

/** Prepared stripes if there are any that fit, else new ones. Each is given once. */
export function takeStripes(keyBytes: number, stripes: number, hash: string): FoldedStripes {
  const fits = keyBytes === KEY_BYTES && stripes === STRIPES && hash === HASH;
  return (fits ? prepared.pop() : undefined) ?? foldedStripes(keyBytes, stripes, hash);
}

/** Prepares stripes once the thread has been idle for a moment; called after each job. */
export function prepareStripesWhenIdle(): void {
  clearTimeout(timer);
  timer = prepared.length < MOST ? setTimeout(prepareOne, IDLE) : undefined;
}

/** One at a time, so that a job that arrives does not wait long. */
function prepareOne(): void {
  prepared.push(foldedStripes(KEY_BYTES, STRIPES, HASH));
  prepareStripesWhenIdle();
}
