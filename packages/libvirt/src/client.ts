/** What talks to libvirt or reads its XML; the package's other entry loads in a moment. */
export { type DomainDisk, domainDisks } from "./domain/guest-disks.ts";
export { guestOf } from "./domain/guest-of.ts";
export { withOurDisks, type WithOurDisksOptions } from "./domain/with-our-disks.ts";
export { connectLibvirt } from "./rpc/rpc-libvirt.ts";
