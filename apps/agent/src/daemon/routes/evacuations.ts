import { parseMove, parseRequest } from "@luksmith/core/host";
import { evacuate, evacuated } from "../../actions/evacuate-actions.ts";
import { MAX_REQUEST_BYTES } from "../../input/read-request.ts";
import { EvacuateBody, EvacuatedBody, OfInstance } from "../inputs.ts";
import type { Route } from "../route.ts";
import { MovedSchema, SpawnedSchema } from "../schemas/index.ts";
import { taskRoute } from "../task-route.ts";

const tag = "guests";
const errors = [403, 404, 409, 502, 504];

/** Guests whose host is down. */
export const EVACUATION_ROUTES: readonly Route[] = [
  taskRoute({
    method: "POST",
    path: "/v1/guests/evacuate",
    id: "evacuateGuest",
    tag,
    summary: "Take a guest over whose host is down",
    input: { body: EvacuateBody },
    bodyLimit: MAX_REQUEST_BYTES,
    answer: { status: 201, description: "The instance.", schema: SpawnedSchema },
    errors,
    work: async ({ body: { document: given, from, recreate: lost, start = true } }) => {
      const document = await parseMove(given);
      const recreate = lost ? { document: lost, request: await parseRequest(lost) } : undefined;
      const input = { document, from: from ?? undefined, recreate, start };
      return { action: evacuate, input, subject: document.instance.uuid };
    },
  }),
  taskRoute({
    method: "POST",
    path: "/v1/guests/{id}/evacuated",
    id: "guestEvacuated",
    tag,
    summary: "Remove a guest that another host has evacuated; passphrases stay",
    input: { params: OfInstance, body: EvacuatedBody },
    answer: { status: 200, description: "Whether it is this host's.", schema: MovedSchema },
    errors,
    work: ({ params: { id }, body }) => ({
      action: evacuated,
      input: { id, keepDisks: body?.keep_disks ?? false },
      subject: id,
    }),
  }),
];
