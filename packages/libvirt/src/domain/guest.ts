import type { BootDevice } from "@luksmith/core";
import type { DiskXmlOptions, GuestDisk } from "../disk-xml.ts";

/** A whole guest, as far as a host's choices and its disks go. */
export interface Guest {
  readonly uuid: string;
  /** libvirt's name: `instance-0000002a`. */
  readonly name: string;
  /** For people. */
  readonly title?: string;
  readonly virtType: "kvm" | "qemu";
  /** `x86_64` */
  readonly arch: string;
  /** `pc`, `q35`, `virt`, `pc-q35-7.2`, … */
  readonly machineType: string;
  readonly memoryMiB: number;
  readonly vcpus: number;
  readonly disks: readonly GuestDisk[];
  readonly diskOptions?: DiskXmlOptions;
  /** First choice first; what `getBootOrder` says. */
  readonly bootOrder: readonly BootDevice[];
  /** Nova's `cpu_mode`; absent: QEMU's own default. */
  readonly cpuMode?: "host-model" | "host-passthrough" | "maximum";
  /** Boots this kernel instead of what is on the disks. */
  readonly directKernel?: DirectKernel;
  readonly console?: SerialConsole;
  /** Random numbers of the host's for the guest. Default true. */
  readonly rng?: boolean;
  /** Ports of q35 and virt machines that disks can be plugged into while the guest runs. Default 4. */
  readonly hotplugPorts?: number;
}

export interface DirectKernel {
  readonly kernel: string;
  readonly initrd?: string;
  readonly commandLine?: string;
}

/** A terminal of the host's, perhaps with a log; or a socket that QEMU listens on. */
export type SerialConsole =
  | { readonly type: "pty"; readonly logFile?: string }
  | { readonly type: "unix"; readonly path: string };
