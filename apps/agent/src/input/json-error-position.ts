export interface TextPosition {
  /** Characters before it. */
  readonly offset: number;
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
}

const TOKEN =
  /(?<mark>[{}[\],:])|(?<text>"(?:[^"\\\p{Cc}]|[\u007f-\u009f]|\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))*")|(?<scalar>-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)/uy;
const SPACE = /[ \t\n\r]*/y;

/** What may come next; `open` states also allow the end of the container. */
type Expected = "value" | "value-or-end" | "key" | "key-or-end" | "colon" | "separator";

/** Where a text stops being JSON. V8 tells the position in some of its messages only. */
export function jsonErrorPosition(text: string): TextPosition {
  const offset = errorOffset(text);
  const before = text.slice(0, offset);
  return { offset, line: before.split("\n").length, column: offset - before.lastIndexOf("\n") };
}

function errorOffset(text: string): number {
  const open: ("{" | "[")[] = [];
  let expected: Expected | undefined = "value";
  let offset = 0;
  for (;;) {
    SPACE.lastIndex = offset;
    SPACE.test(text);
    offset = SPACE.lastIndex;
    TOKEN.lastIndex = offset;
    const token = TOKEN.exec(text);
    expected = token && expected ? after(token, expected, open) : undefined;
    if (expected === undefined) return offset;
    offset = TOKEN.lastIndex;
    if (open.length === 0) expected = undefined;
  }
}

/** What may follow a token, or undefined if the token itself may not stand there. */
function after(token: RegExpExecArray, expected: Expected, open: ("{" | "[")[]): Expected | undefined {
  const [found] = token;
  const isValue = expected === "value" || expected === "value-or-end";
  switch (found) {
    case "{":
    case "[":
      if (!isValue) return undefined;
      open.push(found);
      return found === "{" ? "key-or-end" : "value-or-end";
    case "}":
    case "]": {
      const ends = expected === "separator" || expected === (found === "}" ? "key-or-end" : "value-or-end");
      return ends && open.pop() === (found === "}" ? "{" : "[") ? "separator" : undefined;
    }
    case ":":
      return expected === "colon" ? "value" : undefined;
    case ",":
      if (expected !== "separator") return undefined;
      return open.at(-1) === "{" ? "key" : "value";
    default:
      if (isValue) return "separator";
      return expected.startsWith("key") && found.startsWith('"') ? "colon" : undefined;
  }
}
