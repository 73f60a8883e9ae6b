const REDACTED = "[redacted]";
/** Shorter runs are words that everybody uses; a shorter secret would not be one. */
const SHORTEST = 8;
const QUOTE = 0x22;
const COLON = 0x3a;

/**
 * Removes from a service's words what it repeats of `sent`: validators like to quote what they refuse, and a request's
 * bytes may be a passphrase. JSON keys stay: they say which field is wrong.
 */
export function withoutEcho(text: string | undefined, sent: Uint8Array): string | undefined {
  if (text === undefined || sent.length < SHORTEST) return text;
  const said = Buffer.from(text);
  const body = Buffer.from(sent.buffer, sent.byteOffset, sent.length);
  const kept: Uint8Array[] = [];
  let at = 0;
  for (let from = 0; from + SHORTEST <= said.length;) {
    const end = endOfEcho(said, from, body);
    if (end === undefined) {
      from += 1;
    } else {
      kept.push(said.subarray(at, from), Buffer.from(REDACTED));
      at = end;
      from = end;
    }
  }
  return Buffer.concat([...kept, said.subarray(at)]).toString();
}

/** Where the longest echo that begins at `from` ends. */
function endOfEcho(said: Buffer, from: number, body: Buffer): number | undefined {
  let longest: number | undefined;
  const run = said.subarray(from, from + SHORTEST);
  for (let at = body.indexOf(run); at !== -1; at = body.indexOf(run, at + 1)) {
    let length = SHORTEST;
    while (from + length < said.length && said[from + length] === body[at + length]) length += 1;
    if (!isKey(body, at, length)) longest = Math.max(longest ?? 0, from + length);
  }
  return longest;
}

/** Whether these bytes lie within a JSON key. */
function isKey(body: Buffer, at: number, length: number): boolean {
  const open = body.lastIndexOf(QUOTE, at);
  const close = body.indexOf(QUOTE, at + 1);
  return open !== -1 && close >= at + length - 1 && body[close + 1] === COLON;
}
