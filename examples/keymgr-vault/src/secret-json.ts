import { LuksmithError, type Passphrase } from "@luksmith/core";

/*
 * JSON with a passphrase in it, as bytes: what is a string once cannot be wiped, and is copied when it is cut, joined or parsed.
 */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const X = 0x78;
const ESCAPES: Readonly<Record<string, number>> = {
  '"': QUOTE,
  "\\": BACKSLASH,
  "/": 0x2f,
  b: 8,
  f: 12,
  n: 10,
  r: 13,
  t: 9,
};

/**
 * A document with a passphrase where `head` ends and `tail` begins, as a string. The caller wipes what it gets.
 * @throws `InvalidRequest` for what is not printable ASCII: that JSON might change
 */
export function jsonWithSecret(head: string, passphrase: Passphrase, tail: string): Uint8Array {
  const [before, after] = [Buffer.from(`${head}"`), Buffer.from(`"${tail}`)];
  return passphrase.use((bytes) => {
    if (!bytes.every((byte) => byte >= 0x20 && byte <= 0x7e)) {
      throw new LuksmithError("InvalidRequest", "only passphrases of printable ASCII are stored", {
        details: { length: bytes.length, maybeDone: false },
      });
    }
    const escapes = bytes.reduce((sum, byte) => sum + (byte === QUOTE || byte === BACKSLASH ? 1 : 0), 0);
    const json = new Uint8Array(before.length + bytes.length + escapes + after.length);
    json.set(before);
    let at = before.length;
    for (const byte of bytes) {
      if (byte === QUOTE || byte === BACKSLASH) json[at++] = BACKSLASH;
      json[at++] = byte;
    }
    json.set(after, at);
    return json;
  });
}

/**
 * Takes the string at `path` out of a JSON document, in which it is then only `x`: what is left has no secret and can be parsed.
 * The caller wipes what it gets; undefined: there is no such string.
 * @throws `SyntaxError`
 */
export function takeString(json: Uint8Array, path: readonly string[]): Uint8Array | undefined {
  const found = new Scanner(json).find(path);
  if (!found) return undefined;
  const raw = json.subarray(found.start, found.end);
  const plain = unescape(raw);
  raw.fill(X);
  return plain;
}

/** Walks over JSON without making anything of it. */
class Scanner {
  readonly #json: Uint8Array;
  #at = 0;

  constructor(json: Uint8Array) {
    this.#json = json;
  }

  /** Where the string at `path` is, without its quotes. */
  find(path: readonly string[]): { start: number; end: number } | undefined {
    const [key, ...rest] = path;
    if (key === undefined) return this.#peek() === '"' ? this.#string() : undefined;
    if (this.#peek() !== "{") return undefined;
    this.#at += 1;
    while (this.#peek() !== "}") {
      const { start, end } = this.#string();
      const name = Buffer.from(this.#json.subarray(start, end)).toString("utf8");
      this.#expect(":");
      if (name === key) return this.find(rest);
      this.#skip();
      if (this.#peek() === ",") this.#at += 1;
    }
    return undefined;
  }

  #skip(): void {
    const first = this.#peek();
    if (first === '"') this.#string();
    else if (first !== "{" && first !== "[") while (!",}]".includes(this.#peek())) this.#at += 1;
    else {
      for (let depth = 0; ;) {
        const next = this.#peek();
        if (next === '"') {
          this.#string();
          continue;
        }
        this.#at += 1;
        if (next === "{" || next === "[") depth += 1;
        else if ((next === "}" || next === "]") && --depth === 0) return;
      }
    }
  }

  #string(): { start: number; end: number } {
    this.#expect('"');
    const start = this.#at;
    while (this.#byte() !== QUOTE) this.#at += this.#byte() === BACKSLASH ? 2 : 1;
    const end = this.#at;
    this.#at += 1;
    return { start, end };
  }

  #expect(character: string): void {
    if (this.#peek() !== character) throw new SyntaxError("this is no JSON of Vault's");
    this.#at += 1;
  }

  /** The next character that is no blank. */
  #peek(): string {
    while (this.#byte() <= 0x20) this.#at += 1;
    return String.fromCharCode(this.#byte());
  }

  #byte(): number {
    const byte = this.#json[this.#at];
    if (byte === undefined) throw new SyntaxError("the JSON ends too soon");
    return byte;
  }
}

function unescape(raw: Uint8Array): Uint8Array {
  const longest = new Uint8Array(raw.length);
  try {
    let length = 0;
    for (let at = 0; at < raw.length; at += 1) {
      let byte = raw[at] ?? 0;
      if (byte === BACKSLASH) {
        at += 1;
        const letter = String.fromCharCode(raw[at] ?? 0);
        byte = letter === "u" ? codeOf(raw.subarray(at + 1, at + 5)) : (ESCAPES[letter] ?? -1);
        if (letter === "u") at += 4;
        if (byte < 0 || byte > 0x7f) throw new SyntaxError("the stored passphrase is not ASCII");
      }
      longest[length++] = byte;
    }
    return longest.slice(0, length);
  } finally {
    longest.fill(0);
  }
}

function codeOf(hex: Uint8Array): number {
  const text = Buffer.from(hex).toString("latin1");
  return /^[0-9a-fA-F]{4}$/.test(text) ? Number.parseInt(text, 16) : -1;
}
