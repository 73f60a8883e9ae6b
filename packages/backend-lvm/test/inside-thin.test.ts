import { join } from "node:path";
import { testsInside } from "@luksmith/testing-services/tests-inside";

// A kernel has one processor: this half has one of its own.
const options = { vgcreate: ["--physicalextentsize=1M"], ownKernel: true };
await testsInside(join(import.meta.dirname, "inside/thin"), options);
