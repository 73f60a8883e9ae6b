import type { Element } from "@xmldom/xmldom";
import { diskXml, type DiskXmlOptions, type GuestDisk } from "../disk-xml.ts";
import { attribute, child, children, invalid, parseRoot, printXml } from "../xml-document.ts";
import { sourceOf } from "./guest-disks.ts";

const WHAT = "the domain's XML";

/** What a user may say about a device that one of our disks takes; the rest is ours to say. */
const KEPT = new Set(["address", "alias", "boot", "iotune", "serial", "wwn", "product", "vendor"]);

export interface WithOurDisksOptions extends DiskXmlOptions {
  /** The domain must be of this uuid; one that names none gets it. */
  readonly uuid?: string;
}

/**
 * Puts our disks into a user's own domain: each in the place of the `<disk>` with the same target, else after the last
 * one. Everything else stays as it is, in its order, with comments and elements of other namespaces.
 *
 * @throws `DomainXmlInvalid` when it is no domain, is another's, or uses a file of our disks in another way: a guest that
 *   sees the container of an encrypted disk may overwrite its header
 */
export function withOurDisks(
  domainXml: string,
  disks: readonly GuestDisk[],
  options: WithOurDisksOptions = {},
): string {
  const root = parseRoot(domainXml, WHAT, "domain");
  if (options.uuid !== undefined) ownUuid(root, options.uuid);
  const devices = child(root, "devices") ?? append(root, "devices");
  for (const disk of disks) place(devices, disk, options);
  refuseOtherUses(devices, disks);
  return printXml(root);
}

function place(devices: Element, disk: GuestDisk, options: DiskXmlOptions): void {
  const ours = imported(devices, diskXml(disk, options));
  const all = children(devices, "disk");
  const theirs = all.filter((each) => deviceOf(each) === disk.mapping.dev);
  if (theirs.length > 1)
    throw invalid(WHAT, `it has ${theirs.length} disks with the target ${disk.mapping.dev}`);
  const [replaced] = theirs;
  if (!replaced) {
    devices.insertBefore(ours, all.at(-1)?.nextSibling ?? devices.firstChild);
    return;
  }
  // An address is one of a bus: behind another bus, it would be wrong.
  const sameBus = attribute(child(replaced, "target"), "bus") === disk.mapping.bus;
  for (const kept of children(replaced)) {
    const wanted = KEPT.has(kept.nodeName) && (sameBus || kept.nodeName !== "address");
    if (wanted && !child(ours, kept.nodeName)) ours.appendChild(kept.cloneNode(true));
  }
  devices.replaceChild(ours, replaced);
}

/** As a `<disk>` of the user's, or as the floppy or CD-ROM, or by a file system that is passed through. */
function refuseOtherUses(devices: Element, disks: readonly GuestDisk[]): void {
  const devicesOf = new Map(disks.map((disk) => [placeOf(disk), disk.mapping.dev]));
  for (const each of children(devices, "disk")) {
    const source = sourceOf(each);
    const dev = source === undefined ? undefined : devicesOf.get(source);
    if (dev !== undefined && dev !== deviceOf(each)) {
      throw invalid(
        WHAT,
        `its disk ${deviceOf(each)} uses ${source}, which is disk ${dev} of Luksmith's; take it out`,
      );
    }
  }
}

function ownUuid(root: Element, uuid: string): void {
  const element = child(root, "uuid");
  const present = element?.textContent?.trim().toLowerCase();
  if (present !== undefined && present !== uuid) {
    throw invalid(WHAT, `its uuid is ${present}, the instance's is ${uuid}; correct or remove it`);
  }
  if (!element) append(root, "uuid").textContent = uuid;
}

function append(parent: Element, name: string): Element {
  const element = parent.ownerDocument?.createElement(name);
  if (!element) throw invalid(WHAT, "it has no document");
  parent.appendChild(element);
  return element;
}

function imported(devices: Element, xml: string): Element {
  const element = parseRoot(xml, "our own disk", "disk");
  // A deep copy of an element is an element.
  return devices.ownerDocument?.importNode(element, true) as Element;
}

function deviceOf(disk: Element): string | undefined {
  return attribute(child(disk, "target"), "dev");
}

function placeOf({ source }: GuestDisk): string {
  switch (source.type) {
    case "file":
      return source.file;
    case "block":
      return source.dev;
    case "network":
      return source.name;
  }
}
