import { startDmKernel } from "./start-dm-kernel.ts";

/**
 * `main.ts PROGRAM ARGS…` boots a kernel with device-mapper, runs a program in it and ends it. The working directory is the
 * workspace; `LUKSMITH_TEST_VG` names an empty volume group.
 */
const argv = process.argv.slice(2);
await using kernel = await startDmKernel();
await using group = await kernel.volumeGroup();
const PATH = "/usr/sbin:/usr/bin:/sbin:/bin";
const env = { PATH, LUKSMITH_TEST_VG: group.name, NODE_COMPILE_CACHE: "/tmp/node-compile-cache" };
const result = await kernel.run(argv, { cwd: kernel.info.workspace, env });
process.stdout.write(result.stdout);
process.stderr.write(result.stderr);
process.exitCode = result.exitCode;
