import { join } from "node:path";
import { testsInside } from "@luksmith/testing-services/tests-inside";

await testsInside(join(import.meta.dirname, "inside"), { vgcreate: ["--physicalextentsize=1M"] });
