export { createImage, type ImageWrite, imageWrites } from "./image-writes.ts";
export { exportGuest, type ExportRequest } from "./export-guest.ts";
export type { Geometry } from "./geometry.ts";
export { grow } from "./grow.ts";
export { type GuestRun, guestRuns } from "./guest-runs.ts";
export type { Backing, Extension, HostRange, Qcow2Header } from "./header.ts";
export { LUKS_AREA_BYTES } from "./layout.ts";
export { LuksArea } from "./luks-area.ts";
export { type MadeImage, makeImage, type MakeImageRequest } from "./make-image.ts";
export { type ImagePlan, planImage, type PlanRequest } from "./plan-image.ts";
export { makeTwin } from "./make-twin.ts";
export {
  QCOW2_ERROR_CODES,
  Qcow2Error,
  type Qcow2ErrorCategory,
  type Qcow2ErrorCode,
} from "./qcow2-error.ts";
export { Qcow2File } from "./qcow2-file.ts";
export { type GuestContent, Qcow2Writer } from "./qcow2-writer.ts";
export { readGuest } from "./read-guest.ts";
export { setBacking } from "./set-backing.ts";
export { spaceNeeded } from "./space-needed.ts";
