let failures = 0;

/** Proofs that did not hold so far. */
export function failed(): number {
  return failures;
}

export function check(what: string, holds: boolean): void {
  if (!holds) failures++;
  say(`  ${holds ? "✓" : "✗ FAILED:"} ${what}`);
}

export function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

export function timed<T>(work: () => T): { readonly result: T; readonly ms: number } {
  const begin = performance.now();
  const result = work();
  return { result, ms: Math.round(performance.now() - begin) };
}
