import { type Document, DOMParser, type Element, XMLSerializer } from "@xmldom/xmldom";
import { LuksmithError } from "@luksmith/core";

/** Larger than any domain; libvirt's own bound on strings. */
const MAX_CHARACTERS = 4 * 1024 * 1024;

/**
 * Reads XML of libvirt's or of a user's. A document type is refused: libvirt's XML has none, and it could hide what is
 * looked for behind entities.
 * @param what what it is, for the message: `the domain`
 * @throws `DomainXmlInvalid`
 */
export function parseXml(text: string, what: string): Document {
  if (text.length > MAX_CHARACTERS) throw invalid(what, `it has more than ${MAX_CHARACTERS} characters`);
  let document: Document;
  try {
    const onError = (_level: string, message: string): never => {
      throw new Error(message);
    };
    document = new DOMParser({ onError, locator: false }).parseFromString(text, "text/xml");
  } catch (error) {
    throw invalid(what, error instanceof Error ? error.message : String(error), error);
  }
  if (document.doctype) throw invalid(what, "it has a document type declaration");
  return document;
}

/** As `parseXml`; the root element, which must be `name`. */
export function parseRoot(text: string, what: string, name: string): Element {
  const root = parseXml(text, what).documentElement;
  if (root?.nodeName !== name) throw invalid(what, `its root is <${root?.nodeName}>, not <${name}>`);
  return root;
}

export function printXml(element: Element): string {
  return new XMLSerializer().serializeToString(element);
}

/** The child elements of this name; all without it. */
export function children(parent: Element, name?: string): readonly Element[] {
  const found: Element[] = [];
  for (let node = parent.firstChild; node !== null; node = node.nextSibling) {
    if (node.nodeType === node.ELEMENT_NODE && (name === undefined || node.nodeName === name)) {
      // Its node type says so.
      found.push(node as Element);
    }
  }
  return found;
}

export function child(parent: Element | undefined, name: string): Element | undefined {
  return parent && children(parent, name)[0];
}

export function attribute(element: Element | undefined, name: string): string | undefined {
  return element?.getAttribute(name) ?? undefined;
}

export function invalid(what: string, why: string, cause?: unknown): LuksmithError {
  return new LuksmithError("DomainXmlInvalid", `${what} cannot be used: ${why}`, { cause });
}
