import { rescue, unrescue } from "../../actions/rescue-actions.ts";
import { OfInstance, RescueBody } from "../inputs.ts";
import type { Route } from "../route.ts";
import { RescuedSchema } from "../schemas/index.ts";
import { taskRoute } from "../task-route.ts";

const tag = "guests";
const errors = [403, 404, 409, 502, 504];
const rescued = { status: 200, description: "From which disk it boots.", schema: RescuedSchema };

export const RESCUE_ROUTES: readonly Route[] = [
  taskRoute({
    method: "POST",
    path: "/v1/guests/{id}/rescue",
    id: "rescueGuest",
    tag,
    summary: "Boot a guest from a rescue image, with its root disk beside it",
    input: { params: OfInstance, body: RescueBody },
    answer: rescued,
    errors,
    work: ({ params: { id }, body: { image, format, timeout_ms: timeoutMs = 60_000 } }) => ({
      action: rescue,
      input: { id, image, format: format ?? undefined, timeoutMs },
      subject: id,
    }),
  }),
  taskRoute({
    method: "POST",
    path: "/v1/guests/{id}/unrescue",
    id: "unrescueGuest",
    tag,
    summary: "Boot a guest from its own root disk again, and remove the rescue disk",
    input: { params: OfInstance },
    answer: rescued,
    errors,
    work: ({ params: { id } }) => ({ action: unrescue, input: { id }, subject: id }),
  }),
];
