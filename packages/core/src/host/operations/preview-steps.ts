import type { InstancePlan } from "./plan-instance.ts";
import type { PreviewDisk } from "./preview-create.ts";

/** One thing that a create would do. */
export interface PreviewStep {
  readonly action: "open-image" | "make-secret" | "make-disk" | "prove-disk" | "record";
  /** The disk's name in disk_info, where it is about one. */
  readonly disk?: string;
  /** For people. */
  readonly description: string;
}

/** The steps of a create in the order in which `createInstance` takes them. */
export function previewSteps(
  plan: InstancePlan,
  disks: readonly PreviewDisk[],
  keyManager: string,
  verify: "unlock" | "header",
): readonly PreviewStep[] {
  const encrypted = disks.filter((disk) => disk.encrypted);
  return [
    ...plan.disks.flatMap(({ name, image_id }) =>
      image_id === undefined ? [] : [openImage(name, image_id)],
    ),
    ...encrypted.map(({ name }) => makeSecret(name, keyManager)),
    ...disks.flatMap((disk) => [
      makeDisk(disk, plan.request.image?.id),
      ...(disk.encrypted ? [proveDisk(disk.name, verify)] : []),
    ]),
    { action: "record", description: `record ${disks.length} disks in the inventory` },
  ];
}

function openImage(disk: string, image: string): PreviewStep {
  return { action: "open-image", disk, description: `open image ${image} and check that it is what it says` };
}

function makeSecret(disk: string, keyManager: string): PreviewStep {
  return {
    action: "make-secret",
    disk,
    description: `make a passphrase for ${disk} and store it in the key manager ${keyManager}`,
  };
}

function makeDisk(disk: PreviewDisk, imageId: string | undefined): PreviewStep {
  const { name, path, format, guest_format, virtual_size } = disk;
  const how = disk.encrypted ? `encrypted (${disk.encryption_format}), ` : "";
  const what = guest_format === null ? `the content of image ${imageId}` : `an empty ${guest_format}`;
  const description = `make ${path} (${how}${format}, ${virtual_size} bytes for the guest) with ${what}`;
  return { action: "make-disk", disk: name, description };
}

function proveDisk(disk: string, verify: "unlock" | "header"): PreviewStep {
  const how = verify === "unlock" ? "open it with the stored passphrase" : "read its header back";
  return { action: "prove-disk", disk, description: `prove that ${disk} is encrypted: ${how}` };
}
