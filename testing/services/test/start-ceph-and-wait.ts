import { startCeph } from "../src/index.ts";

/** Starts a cluster, says where, and waits to be killed. */
const ceph = await startCeph();
process.stdout.write(`${JSON.stringify(ceph.info)}\n`);
setInterval(() => {}, 60_000);
