import { join } from "node:path";
import { tinyGuest } from "@luksmith/testing-services";
import { testsInside } from "@luksmith/testing-services/tests-inside";

// Made outside, where what it is made of can be downloaded.
await tinyGuest();
// Guests have the kernel's one processor for long.
const options = { vgcreate: ["--physicalextentsize=1M"], ownKernel: true };
await testsInside(join(import.meta.dirname, "inside"), options);
