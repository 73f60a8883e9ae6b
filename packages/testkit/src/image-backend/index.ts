export { BackendBench, type MadeDisk, MIB } from "./backend-bench.ts";
export { expectError, expectUntouched, sourceImage } from "./bench-steps.ts";
export { describeImageBackend } from "./describe-image-backend.ts";
export { type CommandFault, FaultyCommands } from "./faulty-commands.ts";
export type {
  DiskOracle,
  ImageBackendFixture,
  MakeImageBackend,
  SnapshotOracle,
} from "./image-backend-fixture.ts";
export type { ImageBackendRule } from "./image-backend-rule.ts";
export { IMAGE_BACKEND_RULES } from "./image-backend-rules.ts";
export { RecordingCommands } from "./recording-commands.ts";
export { RecordingRollback } from "./recording-rollback.ts";
