import type { Route } from "../route.ts";
import { DISK_ROUTES } from "./disks.ts";
import { EVACUATION_ROUTES } from "./evacuations.ts";
import { GUEST_ROUTES } from "./guests.ts";
import { HOST_ROUTES } from "./host.ts";
import { INSTANCE_ROUTES } from "./instances.ts";
import { LEGACY_ROUTES } from "./legacy.ts";
import { MOVE_ROUTES } from "./moves.ts";
import { RESCUE_ROUTES } from "./rescues.ts";
import { ROTATION_ROUTES } from "./rotation.ts";
import { SECRET_ROUTES } from "./secrets.ts";
import { serviceRoutes } from "./service.ts";
import { SHELF_ROUTES } from "./shelves.ts";
import { TASK_ROUTES } from "./tasks.ts";

/** The whole API. */
export const ROUTES: readonly Route[] = [
  ...INSTANCE_ROUTES,
  ...DISK_ROUTES,
  ...GUEST_ROUTES,
  ...RESCUE_ROUTES,
  ...MOVE_ROUTES,
  ...LEGACY_ROUTES,
  ...EVACUATION_ROUTES,
  ...SHELF_ROUTES,
  ...ROTATION_ROUTES,
  ...SECRET_ROUTES,
  ...TASK_ROUTES,
  ...HOST_ROUTES,
  ...serviceRoutes(() => ROUTES),
];
