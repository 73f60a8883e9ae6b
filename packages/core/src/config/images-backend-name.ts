import type { HostConfig } from "./host-config.ts";
import { configInvalid, placeOf, quoteValue } from "./problem.ts";

/** The image backends in this repository; plugins from elsewhere bring more. */
const BUNDLED: readonly string[] = ["raw", "qcow2", "lvm", "rbd"];

/**
 * The name of the backend that `[libvirt] images_type` selects, by Nova's rules: `flat` is `raw`, and `default` is
 * `qcow2` or, without `use_cow_images`, `raw`.
 * @param loaded the backends that plugins brought; without it, those in this repository count
 * @throws `ConfigInvalid` if it is none of them
 */
export function imagesBackendName(config: HostConfig, loaded?: readonly string[]): string {
  const written = config.libvirt.images_type;
  const name = backendOf(written, config.DEFAULT.use_cow_images);
  if ((loaded ?? BUNDLED).includes(name)) return name;

  const section = "libvirt";
  const option = "images_type";
  const source = config.entries().find((e) => e.section === section && e.name === option)?.source;
  const message =
    loaded === undefined
      ? unknownImagesType(written)
      : `[libvirt] images_type = ${quoteValue(written)} needs the image backend ${quoteValue(name)}, which no plugin in [luksmith] plugins provides (they provide: ${loaded.join(", ") || "none"})`;
  const place = placeOf(source === "default" ? undefined : source);
  throw configInvalid([{ ...place, section, name: option, message }]);
}

/** What to say of an `images_type` that no backend in this repository answers to. */
export function unknownImagesType(written: string): string {
  const allowed = ["default", "flat", ...BUNDLED].join(", ");
  return `[libvirt] images_type = ${quoteValue(written)}: must be one of ${allowed}`;
}

/** Whether a backend in this repository answers to an `images_type`. */
export function isBundledImagesType(written: string): boolean {
  return BUNDLED.includes(backendOf(written, true));
}

function backendOf(imagesType: string, useCowImages: boolean): string {
  if (imagesType === "default") return useCowImages ? "qcow2" : "raw";
  return imagesType === "flat" ? "raw" : imagesType;
}
