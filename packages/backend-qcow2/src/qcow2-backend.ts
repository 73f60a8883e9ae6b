import {
  directoryTrouble,
  type ImageBackend,
  type ImageServices,
  listInstanceFiles,
  programTrouble,
} from "@luksmith/core";
import { recognise } from "./recognise.ts";
import { QCOW2_CAPABILITIES } from "./capabilities.ts";
import { Qcow2Image } from "./qcow2-image.ts";

/** @param instancesPath absolute; disks are `<instances_path>/<instance uuid>/<disk name>` */
export function qcow2Backend(instancesPath: string, services: () => ImageServices): ImageBackend {
  return {
    name: "qcow2",
    capabilities: QCOW2_CAPABILITIES,
    image: (disk) => new Qcow2Image(instancesPath, disk, services()),
    list: (ctx) => listInstanceFiles(instancesPath, recognise, ctx),
    ready: async (ctx) =>
      (await directoryTrouble(instancesPath, ctx)) ??
      (await programTrouble("qemu-img", services().commands, ctx)),
  };
}
