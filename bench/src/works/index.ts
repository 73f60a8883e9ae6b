import type { Work } from "../work.ts";
import { create } from "./create.ts";
import { creates1000 } from "./creates-1000.ts";
import { eventLoop } from "./event-loop.ts";
import { fill } from "./fill.ts";
import { list } from "./list.ts";
import { unlock } from "./unlock.ts";

/** Every work, in the order they run. */
export const WORKS: readonly Work[] = [create, unlock, fill, eventLoop, creates1000, list];
