export { boolFromString } from "./bool-from-string.ts";
export { ENCRYPTION_FORMATS, isEncryptionFormat, type EncryptionFormat } from "./encryption-format.ts";
export { encryptionRequest, type EncryptionDefaults, type EncryptionRequest } from "./encryption-request.ts";
export type {
  ApiDeviceType,
  BlockDeviceMappingV2,
  DestinationType,
  FlavorRequest,
  ImageRequest,
  InstanceRequest,
  ServerRequest,
  SourceType,
} from "./instance-request.ts";
export { parseRequest } from "./parse-request.ts";
export type { Problem } from "./problems.ts";
