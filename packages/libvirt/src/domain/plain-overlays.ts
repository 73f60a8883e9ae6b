import type { Element } from "@xmldom/xmldom";
import type { InstanceRecord } from "@luksmith/core/host";
import { attribute, child, children, parseRoot } from "../xml-document.ts";

/** A layer in clear above an encrypted one: what a guest writes lies open there. */
export interface PlainOverlay {
  /** `vda` */
  readonly device: string;
  readonly file: string;
  readonly over: string;
}

interface Layer {
  readonly file: string;
  readonly encrypted: boolean;
}

/**
 * Looks at each disk's layers as libvirt has them. Of an instance of ours, also at what stands where an encrypted disk should be:
 * the definition of a guest that is off may name the topmost layer only.
 */
export function plainOverlays(
  domainXml: string,
  instance: Pick<InstanceRecord, "disks" | "diskInfo"> | undefined,
): readonly PlainOverlay[] {
  const devices = child(parseRoot(domainXml, "the domain", "domain"), "devices");
  return (devices ? children(devices, "disk") : []).flatMap((disk) => {
    const device = attribute(child(disk, "target"), "dev") ?? "";
    const layers = layersOf(disk);
    const found = layers.flatMap(({ file, encrypted }, at) => {
      const over = layers.slice(at + 1).find((below) => below.encrypted);
      return !encrypted && over ? [{ device, file, over: over.file }] : [];
    });
    if (found.length > 0) return found;
    const [top] = layers;
    const ours = instance?.disks.find(
      ({ name, encryption }) =>
        encryption && encryption.format !== "plain" && instance.diskInfo.mapping[name]?.dev === device,
    );
    return top && ours && !top.encrypted ? [{ device, file: top.file, over: ours.path }] : [];
  });
}

/** From the top. Encryption may also stand beside the topmost source, in older definitions. */
function layersOf(disk: Element): readonly Layer[] {
  const layers: Layer[] = [];
  for (let layer: Element | undefined = disk; layer; layer = child(layer, "backingStore")) {
    const source = child(layer, "source");
    const file = attribute(source, "file") ?? attribute(source, "dev") ?? attribute(source, "name");
    if (file === undefined) break;
    const encryption = child(source, "encryption") ?? child(layer, "encryption");
    layers.push({ file, encrypted: encryption !== undefined });
  }
  return layers;
}
