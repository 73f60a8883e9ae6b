export type {
  BlockDeviceEncryption,
  BlockDeviceInfo,
  DriverBlockDevice,
  DriverEphemeralBlockDevice,
  DriverImageBlockDevice,
  DriverSwapBlockDevice,
  DriverVolumeBlockDevice,
  LocalDevice,
} from "./block-device-info.ts";
export { encryptedDisks, localDevices } from "./block-device-info.ts";
export { getBootOrder, type BootDevice } from "./boot-order.ts";
export { buildBlockDeviceInfo, type BuildBlockDeviceInfo } from "./build-block-device-info.ts";
export type { FlavorSpace } from "./build-mapping.ts";
export { busForDeviceType } from "./bus.ts";
export { prependDev, stripDev } from "./device-name.ts";
export type { DeviceType, DiskBus, DiskInfo, DiskMapping, EncryptionOptions } from "./disk-info.ts";
export { checkEncryptedState } from "./encrypted-state.ts";
export { getDiskInfo, type DiskInfoResult, type GetDiskInfo } from "./get-disk-info.ts";
export { machineType, type DiskConfig, type GuestContext, type GuestImage } from "./guest-context.ts";
export { localDisks, type LocalDisk, type LocalDiskEncryption, type LocalDiskName } from "./local-disks.ts";
export { isStableRescue } from "./rescue.ts";
