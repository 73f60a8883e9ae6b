import { diskElement } from "../disk-xml.ts";
import { writeXml, type XmlElement } from "../xml-element.ts";
import type { Guest, SerialConsole } from "./guest.ts";

const DEFAULT_HOTPLUG_PORTS = 4;
/** Random numbers, memory balloon and USB: libvirt gives each guest the latter two. */
const OTHER_DEVICES = 3;
/** Machine types whose devices sit on PCI Express, where each hot-plugged one needs a port of its own. */
const PCI_EXPRESS = /q35|^virt/;

/**
 * A guest as libvirt's domain: its disks and what any guest needs besides. Networks, graphics and the like are an
 * orchestrator's business; for those there is `withOurDisks`.
 */
export function domainXml(guest: Guest): string {
  const { uuid, name, title, memoryMiB, vcpus, virtType } = guest;
  const content: XmlElement[] = [
    { name: "name", content: name },
    { name: "uuid", content: uuid },
    ...(title === undefined ? [] : [{ name: "title", content: title }]),
    { name: "memory", attributes: { unit: "MiB" }, content: String(memoryMiB) },
    { name: "vcpu", content: String(vcpus) },
    operatingSystem(guest),
    { name: "features", content: features(guest) },
    ...(guest.cpuMode === undefined ? [] : [{ name: "cpu", attributes: { mode: guest.cpuMode } }]),
    { name: "clock", attributes: { offset: "utc" } },
    { name: "on_poweroff", content: "destroy" },
    { name: "on_reboot", content: "restart" },
    { name: "on_crash", content: "destroy" },
    { name: "devices", content: devices(guest) },
  ];
  return writeXml({ name: "domain", attributes: { type: virtType }, content });
}

function operatingSystem({ arch, machineType, directKernel, bootOrder, ...guest }: Guest): XmlElement {
  const content: XmlElement[] = [
    { name: "type", attributes: { arch, machine: machineType }, content: "hvm" },
  ];
  if (directKernel) {
    const { kernel, initrd, commandLine } = directKernel;
    content.push({ name: "kernel", content: kernel });
    if (initrd !== undefined) content.push({ name: "initrd", content: initrd });
    if (commandLine !== undefined) content.push({ name: "cmdline", content: commandLine });
  }
  // A disk's own boot order, as in a rescue, and this one exclude each other.
  if (guest.diskOptions?.bootOrder === undefined) {
    content.push(...bootOrder.map((dev) => ({ name: "boot", attributes: { dev } })));
  }
  return { name: "os", content };
}

function features({ arch }: Guest): readonly XmlElement[] {
  const acpi = { name: "acpi" };
  return arch === "x86_64" || arch === "i686" ? [acpi, { name: "apic" }] : [acpi];
}

function devices(guest: Guest): readonly XmlElement[] {
  const { disks, diskOptions, rng = true } = guest;
  return [
    ...disks.map((disk) => diskElement(disk, diskOptions)),
    ...controllers(guest),
    ...consoleElements(guest.console ?? { type: "pty" }),
    ...(rng ? [randomDevice()] : []),
  ];
}

function controllers(guest: Guest): readonly XmlElement[] {
  const scsi = guest.disks.some(({ mapping }) => mapping.bus === "scsi");
  const ports = expressPorts(guest, scsi);
  return [
    ...(scsi ? [controller("scsi", "virtio-scsi")] : []),
    // The first one named would otherwise be taken for the root itself.
    ...(ports > 0 ? [controller("pci", "pcie-root")] : []),
    ...Array.from({ length: ports }, () => controller("pci", "pcie-root-port")),
  ];
}

/** Those that its devices take, and those that stay free: libvirt would make the former only. */
function expressPorts(
  { disks, machineType, hotplugPorts = DEFAULT_HOTPLUG_PORTS }: Guest,
  scsi: boolean,
): number {
  if (!PCI_EXPRESS.test(machineType)) return 0;
  const virtio = disks.filter(({ mapping }) => mapping.bus === "virtio").length;
  return virtio + Number(scsi) + OTHER_DEVICES + hotplugPorts;
}

function controller(type: string, model: string): XmlElement {
  return { name: "controller", attributes: { type, model } };
}

function consoleElements(console: SerialConsole): readonly XmlElement[] {
  const target = { name: "target", attributes: { port: "0" } };
  if (console.type === "unix") {
    const source = { name: "source", attributes: { mode: "bind", path: console.path } };
    return [{ name: "serial", attributes: { type: "unix" }, content: [source, target] }];
  }
  const { logFile } = console;
  const log = logFile === undefined ? [] : [{ name: "log", attributes: { file: logFile, append: "off" } }];
  return [{ name: "serial", attributes: { type: "pty" }, content: [...log, target] }];
}

function randomDevice(): XmlElement {
  const backend = { name: "backend", attributes: { model: "random" }, content: "/dev/urandom" };
  return { name: "rng", attributes: { model: "virtio" }, content: [backend] };
}
