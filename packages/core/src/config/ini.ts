import { configInvalid, type ConfigProblem } from "./problem.ts";

/** One `name = value` in a file. */
export interface Assignment {
  /** Lower case, except `DEFAULT`. */
  readonly section: string;
  readonly name: string;
  /** Quotes taken off; continuation lines joined by newlines; `$name` not yet replaced. */
  readonly text: string;
  readonly file: string;
  /** Where the name stands, counted from 1. */
  readonly line: number;
}

/** What one file says, in its order. A name set twice is there twice. */
export interface IniFile {
  readonly assignments: readonly Assignment[];
  readonly problems: readonly ConfigProblem[];
}

interface Pending {
  readonly name: string;
  readonly line: number;
  readonly parts: string[];
}

/**
 * Reads the INI dialect of oslo.config, so that a `nova.conf` means here what it means to Nova: a comment starts in
 * the first column, an indented line continues the value above it (a comment character in it is part of the value),
 * and an empty line ends the value. Goes on after an error, to report all of them.
 */
export function readIni(content: string, file: string): IniFile {
  const assignments: Assignment[] = [];
  const problems: ConfigProblem[] = [];
  let section: string | undefined;
  let pending: Pending | undefined;
  // A bad line's continuation lines are part of that one mistake.
  let skipping = false;

  const flush = () => {
    if (pending === undefined) return;
    const { name, line, parts } = pending;
    pending = undefined;
    if (section !== undefined) assignments.push({ section, name, text: parts.join("\n"), file, line });
    else problems.push({ file, line, name, message: `"${name}" is set before any [section] is opened` });
  };

  for (const [index, raw] of content
    .replace(/^\uFEFF/, "")
    .split(/\r\n|\r|\n/)
    .entries()) {
    const line = raw.trimEnd();
    const fail = (message: string) => {
      problems.push({ file, line: index + 1, message });
      skipping = true;
    };

    if (line === "") {
      flush();
      skipping = false;
    } else if (line.includes("\0")) {
      fail("the line contains a NUL character; is this a text file?");
    } else if (line.startsWith(" ") || line.startsWith("\t")) {
      if (pending !== undefined) pending.parts.push(line.trimStart());
      else if (!skipping) fail("an indented line continues a value, but there is none above it");
    } else {
      flush();
      skipping = false;
      if (line.startsWith("[")) {
        if (!line.endsWith("]")) fail('a section header must end with "]" and nothing after it');
        else if (line.length === 2) fail("the section has no name");
        else section = sectionName(line.slice(1, -1));
      } else if (!line.startsWith("#") && !line.startsWith(";")) {
        // The line itself is not shown: it may hold a password.
        const split = splitAssignment(line);
        if (split === undefined) fail('expected "name = value"; there is no "=" or ":"');
        else if (split.name === "") fail("there is no name before the value");
        else pending = { name: split.name, line: index + 1, parts: [split.text] };
      }
    }
  }
  flush();
  return { assignments, problems };
}

/**
 * `readIni` for callers that want no partial answer.
 * @throws `ConfigInvalid` with every syntax error
 */
export function parseIni(content: string, file: string): readonly Assignment[] {
  const { assignments, problems } = readIni(content, file);
  if (problems.length > 0) throw configInvalid(problems);
  return assignments;
}

/** Sections are looked up without regard to case; only `DEFAULT` is special. */
export function sectionName(written: string): string {
  return written === "DEFAULT" ? written : written.toLowerCase();
}

function splitAssignment(line: string): { name: string; text: string } | undefined {
  const at = line.search(/[=:]/);
  if (at < 0) return undefined;
  return { name: line.slice(0, at).trim(), text: unquote(line.slice(at + 1).trim()) };
}

function unquote(text: string): string {
  const first = text.at(0);
  return (first === '"' || first === "'") && text.at(-1) === first ? text.slice(1, -1) : text;
}
