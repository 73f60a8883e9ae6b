import { describeGuest, findGuest, parseMove } from "@luksmith/core/host";
import { adopt, confirm, offer, revert } from "../../actions/move-actions.ts";
import { MAX_REQUEST_BYTES } from "../../input/read-request.ts";
import { AdoptBody, OfInstance } from "../inputs.ts";
import { type Route, route } from "../route.ts";
import { MovedSchema, OfferSchema, SpawnedSchema } from "../schemas.ts";
import { taskRoute } from "../task-route.ts";

const tag = "guests";
const errors = [403, 404, 409, 502, 504];
const moved = { status: 200, description: "Whether it is this host's.", schema: MovedSchema };

/** Guests that are off, from one host to another. */
export const MOVE_ROUTES: readonly Route[] = [
  route({
    method: "GET",
    path: "/v1/guests/{id}/description",
    id: "describeGuest",
    tag,
    summary: "What another host needs of a guest if this one is lost",
    input: { params: OfInstance },
    answer: { status: 200, description: "For evacuateGuest on another host.", schema: OfferSchema },
    errors: [404],
    handle: async ({ params, parts }) => await describeGuest(await findGuest(parts.host, params.id)),
  }),
  taskRoute({
    method: "POST",
    path: "/v1/guests/{id}/move/offer",
    id: "offerGuest",
    tag,
    summary: "Say what another host needs to adopt a guest, and leave it alone from then on",
    input: { params: OfInstance },
    answer: { status: 200, description: "For adoptGuest on the other host.", schema: OfferSchema },
    errors,
    work: ({ params: { id } }) => ({ action: offer, input: { id }, subject: id }),
  }),
  taskRoute({
    method: "POST",
    path: "/v1/guests/adopt",
    id: "adoptGuest",
    tag,
    summary: "Copy the disks of a guest that another host has offered, prove them, and start it here",
    input: { body: AdoptBody },
    bodyLimit: MAX_REQUEST_BYTES,
    answer: { status: 201, description: "The instance.", schema: SpawnedSchema },
    errors,
    work: async ({ body: { document: given, from, start = true } }) => {
      const document = await parseMove(given);
      const input = { document, from: from ?? undefined, start };
      return { action: adopt, input, subject: document.instance.uuid };
    },
  }),
  taskRoute({
    method: "POST",
    path: "/v1/guests/{id}/move/confirm",
    id: "confirmMove",
    tag,
    summary: "Remove a guest that another host has adopted, with its disks; passphrases stay",
    input: { params: OfInstance },
    answer: moved,
    errors,
    work: ({ params: { id } }) => ({ action: confirm, input: { id }, subject: id }),
  }),
  taskRoute({
    method: "POST",
    path: "/v1/guests/{id}/move/revert",
    id: "revertMove",
    tag,
    summary: "Take an offer back that no host has adopted",
    input: { params: OfInstance },
    answer: moved,
    errors,
    work: ({ params: { id } }) => ({ action: revert, input: { id }, subject: id }),
  }),
];
