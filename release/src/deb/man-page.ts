export interface ManPage {
  readonly name: string;
  readonly section: number;
  /** One line, without a full stop. */
  readonly about: string;
}

/** A page of the documentation as roff: what of Markdown those pages use. A table becomes a list, told by its first column. */
export function manPage({ name, section, about }: ManPage, markdown: string, date: string): string {
  const lines = [
    `.TH ${name.toUpperCase()} ${section} ${date} Luksmith`,
    ".SH NAME",
    `${escaped(name)} \\- ${escaped(about)}`,
    ".SH DESCRIPTION",
  ];
  for (const block of blocksOf(markdown)) lines.push(...rendered(block));
  return `${lines.filter((line, at) => line !== ".PP" || isBreak(lines[at - 1], lines[at + 1])).join("\n")}\n`;
}

/** A paragraph that begins where something else does is none. */
function isBreak(before = ".SH", after = ".SH"): boolean {
  return !/^\.(?:SH|SS|PP)\b/.test(before) && !/^\.(?:SH|SS|PP|TP|IP)\b/.test(after);
}

type Block = { readonly kind: "code" | "table" | "text"; readonly lines: string[] };

/** The title is dropped: a man page has its name. */
function blocksOf(markdown: string): readonly Block[] {
  const blocks: Block[] = [];
  let open: Block | undefined;
  for (const line of markdown.split("\n").slice(1)) {
    if (line.trimStart().startsWith("```")) {
      if (open?.kind === "code") open = undefined;
      else blocks.push((open = { kind: "code", lines: [] }));
      continue;
    }
    const kind = open?.kind === "code" ? "code" : line.startsWith("|") ? "table" : "text";
    if (open?.kind !== kind) blocks.push((open = { kind, lines: [] }));
    open.lines.push(line);
  }
  return blocks;
}

function rendered({ kind, lines }: Block): readonly string[] {
  if (kind === "code") return [".PP", ".RS 4", ".nf", ...lines.map(escaped), ".fi", ".RE"];
  return kind === "table" ? table(lines) : lines.flatMap(prose);
}

function table([head = "", _rule, ...rows]: readonly string[]): readonly string[] {
  const names = cellsOf(head);
  // The section is in the heading above.
  const first = names[0] === "section" ? 1 : 0;
  return rows.flatMap((row) => {
    const cells = cellsOf(row);
    const rest = cells.flatMap((cell, index) => {
      if (index <= first || cell === "") return [];
      return names.length - first > 2 ? `${names[index]}: ${cell}` : cell;
    });
    return [".TP", inline(cells[first] ?? "") || "\\&", rest.map(inline).join(";\n") || "\\&"];
  });
}

function cellsOf(row: string): readonly string[] {
  const inner = row.trim().replace(/^\||\|$/g, "");
  return inner.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
}

function prose(line: string): readonly string[] {
  const heading = /^(#+) (.*)$/.exec(line);
  if (heading) return [`${heading[1]?.length === 2 ? ".SH" : ".SS"} ${quoted(heading[2] ?? "")}`];
  const item = /^\s*(?:([-*])|(\d+\.)) (.*)$/.exec(line);
  if (item) return [`.IP ${item[1] ? "\\(bu 2" : `${item[2]} 4`}`, inline(item[3] ?? "")];
  // An indented line goes on with the item above.
  return line.trim() === "" ? [".PP"] : [inline(line)];
}

function quoted(words: string): string {
  return `"${inline(words).replaceAll('"', "\\(dq")}"`;
}

function inline(markdown: string): string {
  const plain = markdown.trim().replaceAll(/!?\[([^\]]*)\]\([^)]*\)/g, "$1");
  return escaped(plain)
    .replaceAll(/`([^`]+)`/g, "\\fB$1\\fR")
    .replaceAll(/\*\*([^*]+)\*\*/g, "\\fB$1\\fR");
}

function escaped(line: string): string {
  const safe = line.replaceAll("\\", "\\e").replaceAll("-", "\\-");
  return /^[.']/.test(safe) ? `\\&${safe}` : safe;
}
