import { LuksmithError } from "../errors/luksmith-error.ts";
import { boolFromString } from "./bool-from-string.ts";
import { ENCRYPTION_FORMATS, isEncryptionFormat, type EncryptionFormat } from "./encryption-format.ts";
import type { FlavorRequest, ImageRequest } from "./instance-request.ts";

/** Whether the local disks of an instance are to be encrypted, and how. */
export type EncryptionRequest =
  | { readonly wanted: false }
  | {
      readonly wanted: true;
      /** What to use: the requested format, else the host's default. */
      readonly format: EncryptionFormat;
      /** What flavor or image said; null when neither names a format. */
      readonly requestedFormat: EncryptionFormat | null;
    };

export interface EncryptionDefaults {
  /** `[ephemeral_storage_encryption] default_format`. */
  readonly default_format: EncryptionFormat;
}

type FlavorSide = Pick<FlavorRequest, "name" | "extra_specs">;
type ImageSide = Pick<ImageRequest, "id" | "properties">;

const FLAVOR_SWITCH = "hw:ephemeral_encryption";
const IMAGE_SWITCH = "hw_ephemeral_encryption";
const FLAVOR_FORMAT = "hw:ephemeral_encryption_format";
const IMAGE_FORMAT = "hw_ephemeral_encryption_format";

/**
 * Combines what flavor and image say about ephemeral encryption, as Nova's API does.
 *
 * An unset side has no say; two sides that differ conflict, even when one says "false" explicitly. The format counts
 * only when encryption is on. Formats other than the host's own are parsed, not judged: image backends do that.
 *
 * @param image - null when the server boots from a volume
 * @throws `FlavorImageConflict` when flavor and image contradict each other
 * @throws `InvalidRequest` for a format that does not exist; the image's is checked even when encryption is off
 */
export function encryptionRequest(
  flavor: FlavorSide,
  image: ImageSide | null,
  defaults: EncryptionDefaults,
): EncryptionRequest {
  const imageFormat = image?.properties[IMAGE_FORMAT];
  if (imageFormat !== undefined) checkFormat(imageFormat, `image ${image?.id} property ${IMAGE_FORMAT}`);
  if (!encryptionWanted(flavor, image)) return { wanted: false };

  // An empty extra spec counts as unset here, as it does in Nova.
  const flavorFormat = flavor.extra_specs[FLAVOR_FORMAT] || undefined;
  if (flavorFormat !== undefined && imageFormat !== undefined && flavorFormat !== imageFormat) {
    throw conflict(FLAVOR_FORMAT, flavorFormat, IMAGE_FORMAT, imageFormat, flavor, image);
  }
  const requested = flavorFormat ?? imageFormat;
  if (requested === undefined)
    return { wanted: true, format: defaults.default_format, requestedFormat: null };
  const format = checkFormat(requested, `flavor ${flavor.name ?? ""} extra spec ${FLAVOR_FORMAT}`);
  return { wanted: true, format, requestedFormat: format };
}

function encryptionWanted(flavor: FlavorSide, image: ImageSide | null): boolean {
  const flavorText = flavor.extra_specs[FLAVOR_SWITCH];
  const imageText = image?.properties[IMAGE_SWITCH];
  const fromFlavor = flavorText === undefined ? undefined : boolFromString(flavorText);
  const fromImage = imageText === undefined ? undefined : boolFromString(imageText);
  if (fromFlavor !== undefined && fromImage !== undefined && fromFlavor !== fromImage) {
    throw conflict(FLAVOR_SWITCH, flavorText, IMAGE_SWITCH, imageText, flavor, image);
  }
  return fromFlavor ?? fromImage ?? false;
}

function checkFormat(value: string, where: string): EncryptionFormat {
  if (isEncryptionFormat(value)) return value;
  const allowed = ENCRYPTION_FORMATS.join(", ");
  throw new LuksmithError(
    "InvalidRequest",
    `${where} names the encryption format "${value}", which does not exist; use one of ${allowed}`,
    { details: { format: value, allowed: ENCRYPTION_FORMATS } },
  );
}

function conflict(
  flavorKey: string,
  flavorValue: string | undefined,
  imageKey: string,
  imageValue: string | undefined,
  flavor: FlavorSide,
  image: ImageSide | null,
): LuksmithError {
  return new LuksmithError(
    "FlavorImageConflict",
    `flavor ${flavor.name ?? "(unnamed)"} sets ${flavorKey} to "${flavorValue}" but image ${image?.id} sets ` +
      `${imageKey} to "${imageValue}"; choose a flavor and an image that agree`,
    { details: { flavor: flavor.name, [flavorKey]: flavorValue, image: image?.id, [imageKey]: imageValue } },
  );
}
