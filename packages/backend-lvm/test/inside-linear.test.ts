import { join } from "node:path";
import { testsInside } from "@luksmith/testing-services/tests-inside";

// Extents of a MiB: the smallest in which sizes are still rounded.
await testsInside(join(import.meta.dirname, "inside/linear"), { vgcreate: ["--physicalextentsize=1M"] });
