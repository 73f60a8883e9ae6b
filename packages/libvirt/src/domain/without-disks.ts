import { child, children, parseRoot, printXml } from "../xml-document.ts";
import { sourceOf } from "./guest-disks.ts";

/**
 * Takes disks out of a domain, by their files or devices. Everything else stays as it is.
 * @throws `DomainXmlInvalid`
 */
export function withoutDisks(domainXml: string, places: ReadonlySet<string>): string {
  const root = parseRoot(domainXml, "the domain's XML", "domain");
  const devices = child(root, "devices");
  for (const disk of devices ? children(devices, "disk") : []) {
    const source = sourceOf(disk);
    if (source !== undefined && places.has(source)) devices?.removeChild(disk);
  }
  return printXml(root);
}
