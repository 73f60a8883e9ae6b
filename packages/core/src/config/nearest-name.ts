/** The candidate a person most likely meant, or `undefined` if none is close. */
export function nearestName(written: string, candidates: readonly string[]): string | undefined {
  // Long names are cut: what is that long is no slip of the finger, and the table below is quadratic.
  const word = written.slice(0, 64).toLowerCase().replaceAll("-", "_");
  let best: { name: string; distance: number } | undefined;
  for (const name of candidates) {
    const distance = editDistance(word, name.toLowerCase());
    if (distance <= Math.max(2, Math.floor(name.length / 3)) && distance < (best?.distance ?? Infinity)) {
      best = { name, distance };
    }
  }
  return best?.name;
}

/** Insertions, deletions and replacements between two words (Levenshtein). */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [i, left] of a.split("").entries()) {
    const next = [i + 1];
    for (const [j, right] of b.split("").entries()) {
      const replaced = (row[j] ?? 0) + (left === right ? 0 : 1);
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
