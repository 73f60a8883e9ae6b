import type { Effective } from "./build-config.ts";
import { isBundledImagesType, unknownImagesType } from "./images-backend-name.ts";
import { placeOf, type ConfigProblem } from "./problem.ts";

/** What is wrong although every value is fine by itself. */
export function findContradictions(known: readonly Effective[]): ConfigProblem[] {
  const find = (section: string, name: string) =>
    known.find(({ option }) => option.section === section && option.name === name);
  const imagesType = find("libvirt", "images_type");
  const plugins = find("luksmith", "plugins")?.value;
  const decryption = find("luksmith", "decryption");
  if (decryption?.value === "dm-crypt" && imagesType?.value !== "lvm") {
    const { option, assignment } = decryption;
    const message = `[luksmith] decryption = dm-crypt opens block devices, so it needs [libvirt] images_type = lvm, not ${String(imagesType?.value)}; with other storage QEMU decrypts: leave the option out`;
    return [{ ...placeOf(assignment), section: option.section, name: option.name, message }];
  }
  if (typeof imagesType?.value !== "string" || isBundledImagesType(imagesType.value)) return [];
  // A plugin from elsewhere may bring a backend of that name; the host asks again when plugins are loaded.
  if (Array.isArray(plugins) && plugins.some((plugin) => !String(plugin).startsWith("@luksmith/"))) return [];
  const { option, assignment, value } = imagesType;
  const { section, name } = option;
  return [{ ...placeOf(assignment), section, name, message: unknownImagesType(value) }];
}
