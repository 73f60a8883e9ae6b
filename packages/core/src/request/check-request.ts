import { stripDev } from "../disk/device-name.ts";
import type { ErrorCode } from "../errors/codes.ts";
import type { ImageRequest, InstanceRequest } from "./instance-request.ts";
import { jsonPath, type Problem } from "./problems.ts";
import type { RequestDocument } from "./request-schema.ts";

const GIB = 1n << 30n;

type Report = (path: readonly PropertyKey[], message: string, code?: ErrorCode) => void;

/** Contradictions between the parts of a request. */
export function checkRequest(document: RequestDocument, request: InstanceRequest): Problem[] {
  const problems: Problem[] = [];
  const report: Report = (path, message, code = "InvalidRequest") => {
    problems.push({ code, path: jsonPath(path), message });
  };
  checkImageAgreement(document, request, report);
  if (request.image !== null) {
    checkImage(document, request.image, report);
    checkFlavorHolds(request, request.image, report);
  }
  checkRootName(document, request, report);
  return problems;
}

/** The server, the image and the root block device must tell one story. */
function checkImageAgreement(document: RequestDocument, request: InstanceRequest, report: Report): void {
  const { image, server } = request;
  if (server.image_id !== null && image === null) {
    report(["image"], `is missing, but the server boots image ${server.image_id}; add its Glance document`);
  }
  if (image === null) return;
  if (server.image_id !== null && server.image_id !== image.id) {
    report(["image", "id"], `is ${image.id}, but the server boots image ${server.image_id}`);
  }
  if (document.server.image === "") {
    report(["image"], "is given, but the server boots from a volume; set it to null");
  }
  const root = request.block_device_mapping_v2.find((bdm) => bdm.boot_index === 0);
  if (root?.destination_type === "volume") {
    report(["image"], "is given, but boot_index 0 is a volume; set it to null or boot the image");
  }
}

function checkImage(document: RequestDocument, image: ImageRequest, report: Report): void {
  const status = document.image?.status;
  if (typeof status === "string" && status !== "active") {
    report(["image", "status"], `is ${status}; only an active image can be used`);
  }
  const policy = image.properties["img_config_drive"];
  if (policy !== undefined && policy !== "optional" && policy !== "mandatory") {
    report(["image", "img_config_drive"], `is "${policy}"; use optional or mandatory`);
  }
  for (const key of ["block_device_mapping", "mappings"]) {
    if (isEmptyList(document.image?.[key] ?? document.image?.properties?.[key])) continue;
    report(
      ["image", key],
      "describes block devices of its own; list them in block_device_mapping_v2 instead",
    );
  }
}

/** A flavor's disk of 0 GiB takes whatever the image has. */
function checkFlavorHolds(
  { server: { flavor } }: InstanceRequest,
  image: ImageRequest,
  report: Report,
): void {
  if (flavor.ram !== null && image.min_ram > flavor.ram) {
    report(["image", "min_ram"], `asks for ${image.min_ram} MiB, the flavor has ${flavor.ram} MiB`);
  }
  if (flavor.disk === 0) return;
  const disk = BigInt(flavor.disk) * GIB;
  for (const key of ["size", "virtual_size"] as const) {
    const needed = image[key];
    if (needed === null || needed <= disk) continue;
    const message = `the image needs ${needed} bytes, the flavor's disk has ${disk}; use a larger flavor`;
    report(["image", key], message, "FlavorDiskSmallerThanImage");
  }
  if (image.min_disk > flavor.disk) {
    const message = `the image asks for ${image.min_disk} GiB, the flavor's disk has ${flavor.disk} GiB; use a larger flavor`;
    report(["image", "min_disk"], message, "FlavorDiskSmallerThanMinDisk");
  }
}

/** A volume cannot take the name of an image's root disk; `vda` where nobody names it. */
function checkRootName(document: RequestDocument, { server, image }: InstanceRequest, report: Report): void {
  if (image === null) return;
  const root = stripDev(server.root_device_name ?? image.properties["root_device_name"] ?? "vda");
  for (const [index, bdm] of (document.block_device_mapping_v2 ?? []).entries()) {
    if (bdm.no_device || bdm.destination_type === "local" || !bdm.device_name) continue;
    if (stripDev(bdm.device_name) !== root) continue;
    report(
      ["block_device_mapping_v2", index, "device_name"],
      `${root} is the root disk's name; choose another`,
    );
  }
}

/** Lists come as JSON or, in Glance v2, as text. */
function isEmptyList(value: unknown): boolean {
  if (value === undefined || value === null || value === "") return true;
  return typeof value === "string" ? value.trim() === "[]" : Array.isArray(value) && value.length === 0;
}
