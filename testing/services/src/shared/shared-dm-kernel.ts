import { DmKernel, type DmKernelInfo } from "../dm-kernel/dm-kernel.ts";
import { askForShared } from "./ask-for-shared.ts";

let shared: Promise<DmKernel> | undefined;

/**
 * The device-mapper kernel of this test run; the first call of the run boots it. Others use it at the same time: take a
 * volume group of your own, and random names for what is global (mappings).
 */
export function sharedDmKernel(): Promise<DmKernel> {
  return (shared ??= askForShared<DmKernelInfo>("luksmithDmKernel").then((info) => new DmKernel(info)));
}
