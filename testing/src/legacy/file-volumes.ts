import {
  definePlugin,
  type ImageBackend,
  ImageBackends,
  type ImageServices,
  ImageServicesToken,
  type Plugin,
} from "@luksmith/core";
import type { ImportModule } from "@luksmith/core/host";
import { importWorkspace } from "../workspace.ts";

interface Settings {
  readonly sections: { readonly DEFAULT: { readonly instances_path: string } };
}

type RawBackend = (instancesPath: string, services: () => ImageServices) => ImageBackend;

/** Raw files in place of logical volumes, for what a migration does above them: a process starts quicker outside the kernel. */
const fileVolumes = (rawBackend: RawBackend): Plugin<Settings> =>
  definePlugin<Settings>({
    name: "file-volumes",
    apiVersion: 1,
    config: {
      "~standard": { version: 1, vendor: "test", validate: (value) => ({ value: value as Settings }) },
    },
    register(registrar, { sections }) {
      registrar.contribute(ImageBackends, (resolver) => ({
        ...rawBackend(sections.DEFAULT.instances_path, () => resolver.get(ImageServicesToken)),
        name: "lvm",
      }));
    },
  });

/** With files for volumes where `LUKSMITH_FILE_VOLUMES` says so. */
export const importVolumes: ImportModule = async (specifier) => {
  const files = process.env["LUKSMITH_FILE_VOLUMES"] === "1";
  if (specifier !== "@luksmith/backend-lvm" || !files) return await importWorkspace(specifier);
  const { rawBackend } = (await importWorkspace("@luksmith/backend-raw")) as { rawBackend: RawBackend };
  return { default: fileVolumes(rawBackend) };
};
