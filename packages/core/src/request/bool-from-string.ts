const TRUE_WORDS = new Set(["1", "t", "true", "on", "y", "yes"]);

/**
 * Reads a boolean as OpenStack reads extra specs and image properties: case and surrounding space do not count, and
 * whatever is not a known "true" is false.
 */
export function boolFromString(value: string): boolean {
  return TRUE_WORDS.has(value.trim().toLowerCase());
}
