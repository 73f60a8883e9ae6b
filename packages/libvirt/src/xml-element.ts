import { LuksmithError } from "@luksmith/core/host";

/** An element without mixed content: attributes, then either text or children. `undefined` attributes are left out. */
export interface XmlElement {
  readonly name: string;
  readonly attributes?: Readonly<Record<string, string | undefined>>;
  readonly content?: string | readonly XmlElement[];
}

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  "'": "&apos;",
  '"': "&quot;",
};

/** What XML 1.0 has no way to write, not even as a character reference. */
// oxlint-disable-next-line no-control-regex -- these are the characters
const UNWRITABLE = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Cs}/u;

/**
 * Writes an element the way libvirt prints its own, indented by two spaces.
 * @throws `UnsupportedOperation` for text that XML cannot hold
 */
export function writeXml(element: XmlElement, indent = ""): string {
  const { name, attributes = {}, content = [] } = element;
  const written = Object.entries(attributes).map(([key, value]) =>
    value === undefined ? "" : ` ${key}='${escapeXml(value)}'`,
  );
  const start = `${indent}<${name}${written.join("")}`;
  if (typeof content === "string") return `${start}>${escapeXml(content)}</${name}>`;
  if (content.length === 0) return `${start}/>`;
  const children = content.map((child) => writeXml(child, `${indent}  `));
  return [`${start}>`, ...children, `${indent}</${name}>`].join("\n");
}

/** White space other than a blank would be normalised away in an attribute, so it becomes a reference. */
function escapeXml(text: string): string {
  if (UNWRITABLE.test(text)) {
    throw new LuksmithError(
      "UnsupportedOperation",
      `${JSON.stringify(text)} has a character that XML cannot hold, so libvirt cannot be told of it; choose another name`,
    );
  }
  return text
    .replaceAll(/[&<>'"]/g, (character) => ESCAPES[character] ?? character)
    .replaceAll(/[\t\n\r]/g, (character) => `&#${character.charCodeAt(0)};`);
}
