import type { RbdPlace } from "@luksmith/core";
import type { XmlElement } from "./xml-element.ts";

/** Where one layer of a disk is, and what decrypts it. */
export type LayerSource = LayerPlace & {
  /** The `<driver type>`: never `luks`, which libvirt does not know. */
  readonly format: "raw" | "qcow2";
  /** The passphrase's secret; absent: it is plain. */
  readonly secretId?: string;
};

export type LayerPlace =
  | { readonly type: "file"; readonly file: string }
  /** `size`: bytes of the device that are the disk's, header included; absent: all. */
  | { readonly type: "block"; readonly dev: string; readonly size?: number }
  | RbdPlace;

/** `<source>`. The encryption is the source's, not the disk's: that is what migration and backing chains need. */
export function sourceElement(place: LayerPlace, encryption: readonly XmlElement[]): XmlElement {
  switch (place.type) {
    case "file":
      return { name: "source", attributes: { file: place.file }, content: encryption };
    case "block":
      return {
        name: "source",
        attributes: { dev: place.dev },
        content: [...encryption, ...slices(place.size)],
      };
    case "network":
      return rbdElement(place, encryption);
  }
}

/** Keeps the guest from what is behind the disk on its device. Of the storage: the LUKS header is within. */
function slices(size: number | undefined): readonly XmlElement[] {
  if (size === undefined) return [];
  const slice = { name: "slice", attributes: { type: "storage", offset: "0", size: String(size) } };
  return [{ name: "slices", content: [slice] }];
}

/** `<encryption>` with the secret that opens it. */
export function encryptionElement(format: string, secretId: string, place: LayerPlace): XmlElement {
  const engine = place.type === "network" ? (place.engine ?? "qemu") : undefined;
  const secret = { name: "secret", attributes: { type: "passphrase", uuid: secretId } };
  return { name: "encryption", attributes: { format, engine }, content: [secret] };
}

/** `<source>` of a layer that is described whole. */
export function layerElement(layer: LayerSource): XmlElement {
  const { secretId } = layer;
  return sourceElement(layer, secretId === undefined ? [] : [encryptionElement("luks", secretId, layer)]);
}

function rbdElement(
  { protocol, name, hosts, auth }: RbdPlace,
  encryption: readonly XmlElement[],
): XmlElement {
  const ceph = auth && {
    name: "auth",
    attributes: { username: auth.username },
    content: [{ name: "secret", attributes: { type: "ceph", uuid: auth.secretId } }],
  };
  const monitors = hosts.map((host) => ({
    name: "host",
    attributes: { name: host.name, port: host.port },
  }));
  const content = [...monitors, ...(ceph ? [ceph] : []), ...encryption];
  return { name: "source", attributes: { protocol, name }, content };
}
