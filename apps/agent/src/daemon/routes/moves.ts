import {
  describeGuest,
  findGuest,
  type MoveReceipt,
  parseMove,
  parseReceipt,
  parseTarget,
} from "@luksmith/core/host";
import { dismiss, expectMove, send, settle } from "../../actions/live-move-actions.ts";
import { adopt, confirm, offer, revert } from "../../actions/move-actions.ts";
import { MAX_REQUEST_BYTES } from "../../input/read-request.ts";
import { AdoptBody, ExpectBody, OfferBody, OfInstance, ReceiptBody, SendBody } from "../inputs.ts";
import { type Route, route } from "../route.ts";
import { ReceiptSchema, OfferSchema, SpawnedSchema, TargetSchema } from "../schemas/index.ts";
import { taskRoute } from "../task-route.ts";

const tag = "guests";
const errors = [403, 404, 409, 502, 504];
const moved = {
  status: 200,
  description: "Where it is, as a receipt for the other host.",
  schema: ReceiptSchema,
};

async function ofGuest(
  id: string,
  body: { readonly receipt: Record<string, unknown> } | undefined,
): Promise<{ readonly id: string; readonly receipt: MoveReceipt | undefined }> {
  return { id, receipt: body && (await parseReceipt(body.receipt)) };
}

/** Guests, off or running, from one host to another. */
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
    summary: "Say what another host needs to take a guest, and leave it alone from then on",
    input: { params: OfInstance, body: OfferBody },
    answer: {
      status: 200,
      description: "For adoptGuest, or expectGuest, on the other host.",
      schema: OfferSchema,
    },
    errors,
    work: ({ params: { id }, body }) => ({
      action: offer,
      input: { id, live: body?.live ?? false },
      subject: id,
    }),
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
    path: "/v1/guests/expect",
    id: "expectGuest",
    tag,
    summary: "Make encrypted disks for a running guest that another host has offered",
    input: { body: ExpectBody },
    bodyLimit: MAX_REQUEST_BYTES,
    answer: { status: 201, description: "For sendGuest on the other host.", schema: TargetSchema },
    errors,
    work: async ({ body: { document: given } }) => {
      const document = await parseMove(given);
      return { action: expectMove, input: { document }, subject: document.instance.uuid };
    },
  }),
  taskRoute({
    method: "POST",
    path: "/v1/guests/{id}/move/send",
    id: "sendGuest",
    tag,
    summary: "Send a running guest, memory and disks, to the host that expects it",
    input: { params: OfInstance, body: SendBody },
    answer: moved,
    errors,
    work: async ({ params: { id }, body: { target: given, to, memory, disks, tls = false } }) => {
      const target = await parseTarget(given);
      const way = { to, memory: memory ?? undefined, disks: disks ?? undefined, tls };
      return { action: send, input: { id, target, route: way }, subject: id };
    },
  }),
  taskRoute({
    method: "POST",
    path: "/v1/guests/{id}/move/settle",
    id: "settleMove",
    tag,
    summary: "Take a guest that was sent here as this host's own",
    input: { params: OfInstance, body: ReceiptBody },
    answer: moved,
    errors,
    work: async ({ params: { id }, body }) => ({
      action: settle,
      input: await ofGuest(id, body),
      subject: id,
    }),
  }),
  taskRoute({
    method: "POST",
    path: "/v1/guests/{id}/move/dismiss",
    id: "dismissMove",
    tag,
    summary: "Remove the disks of a guest that was expected and does not come; passphrases stay",
    input: { params: OfInstance, body: ReceiptBody },
    answer: moved,
    errors,
    work: async ({ params: { id }, body }) => ({
      action: dismiss,
      input: await ofGuest(id, body),
      subject: id,
    }),
  }),
  taskRoute({
    method: "POST",
    path: "/v1/guests/{id}/move/confirm",
    id: "confirmMove",
    tag,
    summary: "Remove a guest that another host has, with its disks; passphrases stay",
    input: { params: OfInstance, body: ReceiptBody },
    answer: moved,
    errors,
    work: async ({ params: { id }, body }) => ({
      action: confirm,
      input: await ofGuest(id, body),
      subject: id,
    }),
  }),
  taskRoute({
    method: "POST",
    path: "/v1/guests/{id}/move/revert",
    id: "revertMove",
    tag,
    summary: "Take an offer back that no host has taken",
    input: { params: OfInstance, body: ReceiptBody },
    answer: moved,
    errors,
    work: async ({ params: { id }, body }) => ({
      action: revert,
      input: await ofGuest(id, body),
      subject: id,
    }),
  }),
];
