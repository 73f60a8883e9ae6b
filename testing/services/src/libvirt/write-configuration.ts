import { randomUUID } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** How libvirtd shall behave. */
export interface LibvirtOptions {
  /**
   * Where each system call takes long: libvirt asks QEMU for each of 400 features of a guest's processor at its start, and QEMU
   * reads each question byte by byte. This has it ask for all of them at once.
   */
  readonly fewQuestions?: boolean;
}

/** What libvirtd is given; the rest of its world is the machine's own. */
export async function writeConfiguration(
  stateDirectory: string,
  { fewQuestions = false }: LibvirtOptions = {},
): Promise<void> {
  for (const name of ["etc", "lib", "run", "log"]) await mkdir(join(stateDirectory, name));
  await writeFile(join(stateDirectory, "libvirtd.conf"), daemonConfiguration(stateDirectory));
  await writeFile(
    join(stateDirectory, "etc/qemu.conf"),
    fewQuestions ? `${QEMU_CONFIGURATION}${FEW_QUESTIONS}` : QEMU_CONFIGURATION,
  );
  for (const [name, line] of Object.entries(ACCOUNT)) {
    const machines = await readFile(join("/etc", name), "utf8");
    const others = machines.split("\n").filter((each) => each !== "" && !each.startsWith("libvirt-qemu:"));
    await writeFile(join(stateDirectory, name), `${[...others, line].join("\n")}\n`);
  }
}

function daemonConfiguration(stateDirectory: string): string {
  return [
    'auth_unix_rw = "none"',
    'auth_unix_ro = "none"',
    'unix_sock_rw_perms = "0700"',
    // Each is a host of its own: a guest does not migrate to the host that it is on.
    `host_uuid = "${randomUUID()}"`,
    `unix_sock_dir = "${stateDirectory}/run"`,
    'log_filters = "3:node_device 3:udev"',
    `log_outputs = "3:file:${stateDirectory}/log/libvirtd.log"`,
    "",
  ].join("\n");
}

/** No virtlogd, no AppArmor, no cgroups, no account of its own: a test's machine may have none of them. */
const QEMU_CONFIGURATION = `stdio_handler = "file"
security_driver = "none"
cgroup_controllers = [ ]
user = "root"
group = "root"
dynamic_ownership = 0
namespaces = [ ]
`;

/** As if QEMU could not say it feature by feature. */
const FEW_QUESTIONS = `capability_filters = [ "cpu-unavailable-features" ]
`;

/** Debian's package libvirt-daemon-system makes this account; the daemon itself does not. */
const ACCOUNT = {
  passwd: "libvirt-qemu:x:64055:64055:Libvirt Qemu:/var/lib/libvirt:/usr/sbin/nologin",
  group: "libvirt-qemu:x:64055:",
} as const;
