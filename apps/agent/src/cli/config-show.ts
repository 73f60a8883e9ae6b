import type { ConfigEntry } from "@luksmith/core/host";
import { printable } from "../output/table.ts";
import type { Session } from "../session.ts";

export async function configShow(session: Session): Promise<void> {
  const config = await session.config();
  const entries = config.entries();
  const options = entries.map((entry) => ({ ...entry, value: entry.value ?? null }));
  const { files, warnings } = config;
  await session.print({ files, options, warnings }, () => describe(entries));
}

/** INI again, each value with a comment that says where it is from. */
function describe(entries: readonly ConfigEntry[]): string {
  const sections = [...new Set(entries.map(({ section }) => section))];
  return sections
    .map((section) => {
      const own = entries.filter((entry) => entry.section === section);
      return `[${printable(section)}]\n${own.map(describeEntry).join("")}`;
    })
    .join("\n");
}

function describeEntry({ name, value, source, deprecated }: ConfigEntry): string {
  const place = source === "default" ? "default" : `${source.file}:${source.line}`;
  const note = deprecated && source !== "default" ? `, deprecated since ${deprecated.since}` : "";
  const shown = value === undefined ? `# ${name} is not set` : `${name} = ${textOf(value)}`;
  return `# ${printable(place + note)}\n${printable(shown)}\n`;
}

function textOf(value: NonNullable<ConfigEntry["value"]>): string {
  return typeof value === "object" ? value.join(",") : String(value);
}
