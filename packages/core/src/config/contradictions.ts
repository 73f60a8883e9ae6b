import type { Effective } from "./build-config.ts";
import { isBundledImagesType, unknownImagesType } from "./images-backend-name.ts";
import { placeOf, type ConfigProblem } from "./problem.ts";

/** What is wrong although every value is fine by itself. */
export function findContradictions(known: readonly Effective[]): ConfigProblem[] {
  const find = (section: string, name: string) =>
    known.find(({ option }) => option.section === section && option.name === name);
  const imagesType = find("libvirt", "images_type");
  const plugins = find("luksmith", "plugins")?.value;
  if (typeof imagesType?.value !== "string" || isBundledImagesType(imagesType.value)) return [];
  // A plugin from elsewhere may bring a backend of that name; the host asks again when plugins are loaded.
  if (Array.isArray(plugins) && plugins.some((plugin) => !String(plugin).startsWith("@luksmith/"))) return [];
  const { option, assignment, value } = imagesType;
  const { section, name } = option;
  return [{ ...placeOf(assignment), section, name, message: unknownImagesType(value) }];
}
