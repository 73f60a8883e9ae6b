import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { writeFileSync } from "node:fs";
import { startLibvirt } from "../src/libvirt/start-libvirt.ts";

/** For the test that kills the starter: a libvirtd with a guest, named on standard output; then it waits. */
const env = await startLibvirt();
const file = join(env.stateDirectory, "guest.xml");
writeFileSync(
  file,
  `<domain type='qemu'><name>orphan</name><memory unit='MiB'>32</memory>
  <os><type arch='x86_64' machine='pc'>hvm</type></os></domain>`,
);
execFileSync("virsh", ["-q", "-c", env.uri, "create", "--paused", file]);
process.stdout.write(`${JSON.stringify({ ...env.info, qemu: await env.qemuPid("orphan") })}\n`);
setInterval(() => {}, 60_000);
