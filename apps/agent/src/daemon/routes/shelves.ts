import { parseMove } from "@luksmith/core/host";
import { shelve, unshelve } from "../../actions/shelf-actions.ts";
import { MAX_REQUEST_BYTES } from "../../input/read-request.ts";
import { OfInstance, ShelveBody, UnshelveBody } from "../inputs.ts";
import type { Route } from "../route.ts";
import { ShelvedSchema, SpawnedSchema } from "../schemas/index.ts";
import { taskRoute } from "../task-route.ts";

const tag = "guests";
const errors = [403, 404, 409, 502, 504];

export const SHELF_ROUTES: readonly Route[] = [
  taskRoute({
    method: "POST",
    path: "/v1/guests/{id}/shelve",
    id: "shelveGuest",
    tag,
    summary: "Take a guest off this host and keep its disks in a directory; passphrases stay",
    input: { params: OfInstance, body: ShelveBody },
    answer: { status: 200, description: "Where it is, and its document.", schema: ShelvedSchema },
    errors,
    work: ({ params: { id }, body: { directory, timeout_ms: timeoutMs = 60_000 } }) => ({
      action: shelve,
      input: { id, directory, timeoutMs },
      subject: id,
    }),
  }),
  taskRoute({
    method: "POST",
    path: "/v1/guests/unshelve",
    id: "unshelveGuest",
    tag,
    summary: "Bring a guest back from where shelveGuest has put it, and start it unless told not to",
    input: { body: UnshelveBody },
    bodyLimit: MAX_REQUEST_BYTES,
    answer: { status: 201, description: "The instance.", schema: SpawnedSchema },
    errors,
    work: async ({ body: { document: given, directory, start = true } }) => {
      const document = await parseMove(given);
      return { action: unshelve, input: { document, directory, start }, subject: document.instance.uuid };
    },
  }),
];
