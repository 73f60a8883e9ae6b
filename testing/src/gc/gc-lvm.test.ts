import { join } from "node:path";
import { testsInside } from "@luksmith/testing-services/tests-inside";

// What is there of other tests would be looked at as well: a kernel of its own.
const options = { vgcreate: ["--physicalextentsize=1M"], ownKernel: true };
await testsInside(join(import.meta.dirname, "inside"), options);
