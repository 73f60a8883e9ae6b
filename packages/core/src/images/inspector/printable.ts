const MAX_LENGTH = 120;

/** Text from an image, fit for a message or a log: printable ASCII, cut off. */
export function printable(text: string): string {
  const safe = text.replaceAll(/[^\x20-\x7e]/gu, "?");
  return safe.length > MAX_LENGTH ? `${safe.slice(0, MAX_LENGTH)}…` : safe;
}
