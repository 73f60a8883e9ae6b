import type { Work } from "../work.ts";
import { barbican } from "./barbican.ts";
import { create } from "./create.ts";
import { createQcow2Work } from "./create-qcow2.ts";
import { creates1000 } from "./creates-1000.ts";
import { eventLoop } from "./event-loop.ts";
import { fill } from "./fill.ts";
import { list } from "./list.ts";
import { rbd } from "./rbd.ts";
import { snapshot } from "./snapshot.ts";
import { unlock } from "./unlock.ts";

/** Every work, in the order they run. */
export const WORKS: readonly Work[] = [
  create,
  createQcow2Work,
  unlock,
  fill,
  snapshot,
  eventLoop,
  creates1000,
  list,
  barbican,
  rbd,
];
