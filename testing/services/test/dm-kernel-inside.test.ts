import { join } from "node:path";
import { testsInside } from "../src/dm-kernel/tests-inside.ts";

await testsInside(join(import.meta.dirname, "inside"));
