export {
  FaultProxy,
  type FaultProxyOptions,
  type Rule,
  type SeenRequest,
} from "./fault-proxy/fault-proxy.ts";
export * as faults from "./fault-proxy/faults.ts";
export type { Fault } from "./fault-proxy/faults.ts";
export { type Answer, call, type Call, type TokenScope, UnexpectedAnswer } from "./openstack/http-api.ts";
export type { ImageUpload } from "./openstack/image-upload.ts";
export {
  type ApplicationCredential,
  OpenStack,
  type OpenStackInfo,
  type SecretMetadata,
  type TokenOptions,
  type User,
} from "./openstack/openstack.ts";
export { PEOPLE, type ProjectName, type UserName } from "./openstack/people.ts";
export { type RegionName, SERVICES, type ServiceName } from "./openstack/services.ts";
export { type OpenStackOptions, OwnOpenStack, startOpenStack } from "./openstack/start-openstack.ts";
export { sharedOpenStack } from "./shared/shared-openstack.ts";
export { GuestConsole } from "./libvirt/guest-console.ts";
export { LibvirtEnv, type LibvirtInfo } from "./libvirt/libvirt-env.ts";
export { rebootHost } from "./libvirt/reboot-host.ts";
export { OwnLibvirt, startLibvirt } from "./libvirt/start-libvirt.ts";
export { tinyGuest, type TinyGuest } from "./libvirt/tiny-guest.ts";
export { sharedLibvirt } from "./shared/shared-libvirt.ts";
export { CephEnv, type CephInfo } from "./ceph/ceph-env.ts";
export type { CephDaemon } from "./ceph/ceph-process.ts";
export { OwnCeph, startCeph } from "./ceph/start-ceph.ts";
export { sharedCeph } from "./shared/shared-ceph.ts";
export { DmKernel, type DmKernelInfo, type LentVolumeGroup } from "./dm-kernel/dm-kernel.ts";
export { OwnDmKernel, startDmKernel } from "./dm-kernel/start-dm-kernel.ts";
export { sharedDmKernel } from "./shared/shared-dm-kernel.ts";
export { NpmRegistry, type PackageDocument, startNpmRegistry } from "./npm-registry/start-npm-registry.ts";
export { DebianRoot, type RootResult } from "./debian-root/debian-root.ts";
