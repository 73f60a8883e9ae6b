import { directoryTrouble, type ImageBackend, type ImageServices, listInstanceFiles } from "@luksmith/core";
import { RawImage } from "./raw-image.ts";
import { recognise } from "./recognise.ts";
import { RAW_CAPABILITIES } from "./capabilities.ts";

/** @param instancesPath absolute; disks are `<instances_path>/<instance uuid>/<disk name>` */
export function rawBackend(instancesPath: string, services: () => ImageServices): ImageBackend {
  return {
    name: "raw",
    capabilities: RAW_CAPABILITIES,
    image: (disk) => new RawImage(instancesPath, disk, services()),
    list: (ctx) => listInstanceFiles(instancesPath, recognise, ctx),
    ready: (ctx) => directoryTrouble(instancesPath, ctx),
  };
}
