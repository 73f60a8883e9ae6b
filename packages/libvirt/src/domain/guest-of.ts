import { arch as nodeArch } from "node:os";
import { getBootOrder, LuksmithError, machineType } from "@luksmith/core";
import { type HostConfig, type InstanceRecord, type InstanceRequest, placedDisks } from "@luksmith/core/host";
import { diskXmlOptions } from "../disk-xml.ts";
import type { Guest } from "./guest.ts";

/** Node's names of architectures, as libvirt says them. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: "x86_64", arm64: "aarch64", ppc64: "ppc64le" };

/**
 * The guest that a request asks for, with the disks that were made for it; JSON.
 * @throws `InvalidRequest` when the flavor does not say how much memory and how many processors, `UnsupportedVirtType`
 */
export function guestOf(
  { server, image, virt_type }: InstanceRequest,
  instance: Pick<InstanceRecord, "uuid" | "disks" | "diskInfo">,
  config: HostConfig,
): Guest {
  const { flavor, name, instance_name } = server;
  const virtType = virt_type ?? config.libvirt.virt_type;
  if (virtType !== "kvm" && virtType !== "qemu") {
    throw new LuksmithError(
      "UnsupportedVirtType",
      `no guest can be made for virt_type ${virtType}; use kvm or qemu`,
    );
  }
  if (flavor.ram === null || flavor.vcpus === null) {
    throw new LuksmithError(
      "InvalidRequest",
      `the flavor of instance ${instance.uuid} has no ram or no vcpus, which a guest needs; add them to the request`,
      { details: { instance: instance.uuid } },
    );
  }
  const properties = image?.properties ?? {};
  const arch = properties["hw_architecture"] ?? ARCHITECTURES[nodeArch()] ?? nodeArch();
  const { hw_machine_type } = config.libvirt;
  const context = { virt_type: virtType, arch, image: { properties }, config: { hw_machine_type } };
  return {
    uuid: instance.uuid,
    name: instance_name ?? `instance-${instance.uuid}`,
    ...(name === null ? {} : { title: name }),
    virtType,
    arch,
    machineType: machineType(context) ?? "pc",
    memoryMiB: flavor.ram,
    vcpus: flavor.vcpus,
    disks: placedDisks(instance),
    diskOptions: diskXmlOptions(config),
    bootOrder: getBootOrder(instance.diskInfo),
    // Nova's defaults of cpu_mode.
    ...(virtType === "kvm" ? { cpuMode: "host-model" } : {}),
  };
}
