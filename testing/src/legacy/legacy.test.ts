import { join } from "node:path";
import { testsInside } from "@luksmith/testing-services/tests-inside";

// Small extents: a volume group that a test fills shall be full soon. A kernel has one processor: these have one of their own.
const options = { vgcreate: ["--physicalextentsize=1M"], ownKernel: true };
await testsInside(join(import.meta.dirname, "inside"), options);
