export { expectRefusal } from "./expect-refusal.ts";
export { cryptsetupOpens, luksDump } from "./oracles/cryptsetup.ts";
export { checkFilesystem, probe } from "./oracles/filesystem.ts";
export {
  qemuCheck,
  qemuDecrypt,
  type QemuDisk,
  qemuEqual,
  qemuImgInfo,
  qemuIo,
  qemuOpens,
} from "./oracles/qemu.ts";
export { type QemuRbd, qemuRbdDecrypt, qemuRbdIo, qemuRbdOpens } from "./oracles/qemu-rbd.ts";
export { digestOf, isZero, rawBytesContain } from "./oracles/raw-bytes.ts";
export { instanceRequest, requestJson, type RequestKnobs } from "./request-json.ts";
export { runTool } from "./run-tool.ts";
export { withSecretFile } from "./secret-file.ts";
export { CANARY, ext4Image, randomImage, sparseImage } from "./source-image.ts";
export { tempDirectory } from "./temp-directory.ts";
export { passphraseOf, TempHost, tempHost } from "./temp-host.ts";
export { filesBelow, treeOf } from "./tree.ts";
export { importWorkspace, testContext, type TestContext } from "./workspace.ts";
