import { join } from "node:path";
import { testsInside } from "@luksmith/testing-services/tests-inside";

// Devices that fail below LVM, and one processor: a kernel of its own.
const options = { vgcreate: ["--physicalextentsize=1M"], ownKernel: true };
await testsInside(join(import.meta.dirname, "crash"), options);
