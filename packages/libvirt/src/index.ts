export type { LayerPlace, LayerSource, RbdPlace, RbdSource } from "./disk-source-xml.ts";
export { diskXml, diskXmlOptions, type DiskXmlOptions, type GuestDisk } from "./disk-xml.ts";
export type { DirectKernel, Guest, SerialConsole } from "./domain/guest.ts";
export { domainXml } from "./domain/domain-xml.ts";
export type { Libvirt, LibvirtVersion } from "./libvirt.ts";
export type { BlockInfo, BlockJob, CopyTarget, LibvirtDisks, Overlay } from "./libvirt-disks.ts";
export type {
  Domain,
  DomainEvent,
  DomainState,
  LibvirtDomains,
  Migration,
  StartOptions,
} from "./libvirt-domains.ts";
export type { LibvirtSecrets, SecretAttributes, SecretEntry, SecretEvent } from "./libvirt-secrets.ts";
export { type LibvirtSecret, secretUsage, secretXml } from "./secret-xml.ts";
export { type EnsureOptions, type GuestSecret, GuestSecrets } from "./secrets/guest-secrets.ts";
export { parseUsage, type SecretUse, usageOf } from "./secrets/secret-use.ts";
