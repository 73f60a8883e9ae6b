import type { BlockDeviceMappingV2, ImageRequest } from "./instance-request.ts";

/**
 * The block devices of a request with the image's root disk in front when the list leaves it implied. Clients of
 * Nova's API add that entry; requests written by hand usually lack it.
 */
export function withImpliedRoot(
  mappings: readonly BlockDeviceMappingV2[],
  image: Pick<ImageRequest, "id"> | null,
): readonly BlockDeviceMappingV2[] {
  if (image === null || mappings.some((bdm) => bdm.boot_index === 0)) return mappings;
  return [imageRoot(image.id), ...mappings];
}

function imageRoot(imageId: string): BlockDeviceMappingV2 {
  return {
    source_type: "image",
    destination_type: "local",
    uuid: imageId,
    boot_index: 0,
    volume_size: null,
    guest_format: null,
    disk_bus: null,
    device_type: "disk",
    device_name: null,
    delete_on_termination: true,
    tag: null,
    volume_type: null,
  };
}

/** A blank local device that the guest swaps on. */
export function isSwap(bdm: BlockDeviceMappingV2): boolean {
  return isBlankLocal(bdm) && bdm.guest_format === "swap";
}

/** A blank local device that is not swap. */
export function isEphemeral(bdm: BlockDeviceMappingV2): boolean {
  return isBlankLocal(bdm) && bdm.guest_format !== "swap";
}

function isBlankLocal(bdm: BlockDeviceMappingV2): boolean {
  return bdm.source_type === "blank" && bdm.destination_type === "local";
}
