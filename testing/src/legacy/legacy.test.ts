import { join } from "node:path";
import { testsInside } from "@luksmith/testing-services/tests-inside";

// Small extents: a volume group that a test fills shall be full soon.
await testsInside(join(import.meta.dirname, "inside"), { vgcreate: ["--physicalextentsize=1M"] });
