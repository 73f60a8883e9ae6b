import { writeXml } from "./xml-element.ts";

export interface LibvirtSecret {
  /** The id of the passphrase in the key manager, which is the secret's in libvirt too. */
  readonly uuid: string;
  /** See `secretUsage`. */
  readonly usage: string;
}

/** The usage id that Nova gives the secret of a local disk. */
export function secretUsage(instanceUuid: string, diskUuid: string): string {
  return `${instanceUuid}_${diskUuid}`;
}

/** The definition of a secret that libvirt keeps in memory only and hands to nobody but QEMU. */
export function secretXml({ uuid, usage }: LibvirtSecret): string {
  const volume = { name: "volume", content: usage };
  return writeXml({
    name: "secret",
    attributes: { ephemeral: "yes", private: "yes" },
    content: [
      { name: "uuid", content: uuid },
      { name: "usage", attributes: { type: "volume" }, content: [volume] },
    ],
  });
}
