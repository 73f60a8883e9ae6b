import { randomUUID } from "node:crypto";
import { cryptMappings, GROUP, tool } from "../inside/volume-host.ts";

const MIB = 96;
const SECTORS = MIB * 2048;

/** A volume group on a device that can be pulled out, and plugged in again with what it had. */
export interface FailingGroup extends Disposable {
  readonly name: string;
  /** Every access from now on is an error, whoever has it open. */
  pull(): void;
  plugIn(): void;
}

/** In the run's group, of which it takes a part for its device. */
export function failingGroup(): FailingGroup {
  const id = randomUUID().slice(0, 8);
  const [name, device, below] = [`failing${id}`, `pulled${id}`, `below${id}`];
  tool("lvcreate", ["-qq", "-y", "-Wn", "-Zn", "-L", `${MIB}M`, "-n", below, GROUP]);
  const table = (target: string): void => {
    tool("dmsetup", ["load", device, "--table", `0 ${SECTORS} ${target}`]);
    // What is on its way meets the new table; it must not be waited for.
    tool("dmsetup", ["suspend", "--noflush", "--nolockfs", device]);
    tool("dmsetup", ["resume", device]);
  };
  const there = `linear /dev/${GROUP}/${below} 0`;
  tool("dmsetup", ["create", device, "--table", `0 ${SECTORS} ${there}`]);
  tool("vgcreate", ["-qq", "-y", "-s", "1M", name, `/dev/mapper/${device}`]);
  const plugIn = (): void => table(there);
  return {
    name,
    pull: () => table("error"),
    plugIn,
    [Symbol.dispose]: () => {
      plugIn();
      for (const mapping of cryptMappings(name)) tool("cryptsetup", ["close", mapping]);
      tool("vgremove", ["-qq", "-ff", "-y", name]);
      tool("dmsetup", ["remove", device]);
      tool("lvremove", ["-qq", "-f", `${GROUP}/${below}`]);
    },
  };
}
