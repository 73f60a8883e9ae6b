import { join } from "node:path";

/** For what is expensive to make and the same in every run. */
export const CACHE = join(import.meta.dirname, "../../../../node_modules/.cache/luksmith-testing");
