import { LuksmithError, parseRequest } from "@luksmith/core/host";
import { reboot, resume, spawn, start, stop } from "../../actions/guest-actions.ts";
import { rebuild } from "../../actions/rebuild.ts";
import { MAX_REQUEST_BYTES } from "../../input/read-request.ts";
import { OfInstance, RebootBody, RebuildBody, SpawnBody, StopBody } from "../inputs.ts";
import type { Route } from "../route.ts";
import { GuestSchema, InstanceSchema, ResumedSchema, SpawnedSchema } from "../schemas/index.ts";
import { taskRoute } from "../task-route.ts";

const tag = "guests";
const errors = [403, 404, 409, 502, 504];
const guest = { status: 200, description: "Whether it is to run.", schema: GuestSchema };

export const GUEST_ROUTES: readonly Route[] = [
  taskRoute({
    method: "POST",
    path: "/v1/guests",
    id: "spawnGuest",
    tag,
    summary: "Make the disks of an instance and define its guest, and start it unless told not to",
    input: { body: SpawnBody },
    bodyLimit: MAX_REQUEST_BYTES,
    answer: { status: 201, description: "The instance.", schema: SpawnedSchema },
    errors,
    work: async ({ body: { request: document, start: wanted = true, domain_xml } }) => {
      const request = await parseRequest(document);
      const input = { document, request, start: wanted, template: domain_xml ?? undefined };
      return { action: spawn, input, subject: request.server.id };
    },
  }),
  taskRoute({
    method: "POST",
    path: "/v1/guests/{id}/start",
    id: "startGuest",
    tag,
    summary: "Start a guest",
    input: { params: OfInstance },
    answer: guest,
    errors,
    work: ({ params: { id } }) => ({ action: start, input: { id }, subject: id }),
  }),
  taskRoute({
    method: "POST",
    path: "/v1/guests/{id}/stop",
    id: "stopGuest",
    tag,
    summary: "Stop a guest, by force where it does not do so itself in time",
    input: { params: OfInstance, body: StopBody },
    answer: guest,
    errors,
    work: ({ params: { id }, body }) => ({
      action: stop,
      input: { id, timeoutMs: body?.timeout_ms ?? 60_000 },
      subject: id,
    }),
  }),
  taskRoute({
    method: "POST",
    path: "/v1/guests/{id}/reboot",
    id: "rebootGuest",
    tag,
    summary: "Reboot a guest",
    input: { params: OfInstance, body: RebootBody },
    answer: guest,
    errors,
    work: ({ params: { id }, body }) => ({
      action: reboot,
      input: { id, hard: body?.hard ?? false },
      subject: id,
    }),
  }),
  taskRoute({
    method: "POST",
    path: "/v1/instances/{id}/rebuild",
    id: "rebuildInstance",
    tag,
    summary: "Make an instance's disks anew from a request; UUIDs and passphrases stay",
    input: { params: OfInstance, body: RebuildBody },
    bodyLimit: MAX_REQUEST_BYTES,
    answer: { status: 200, description: "The instance.", schema: InstanceSchema },
    errors,
    work: async ({ params: { id }, body: { request: document, timeout_ms: timeoutMs = 60_000 } }) => {
      const request = await parseRequest(document);
      if (request.server.id !== id) throw otherServer(id, request.server.id);
      return { action: rebuild, input: { document, request, timeoutMs }, subject: id };
    },
  }),
  taskRoute({
    method: "POST",
    path: "/v1/guests/resume",
    id: "resumeGuests",
    tag,
    summary: "Start the guests that are to run, after the host was booted",
    answer: { status: 200, description: "What came of each.", schema: ResumedSchema },
    errors: [403, 502, 504],
    work: () => ({ action: resume, input: undefined }),
  }),
];

function otherServer(id: string, given: string): LuksmithError {
  return new LuksmithError("InvalidRequest", `the request is of server ${given}, and not of instance ${id}`, {
    details: { instance: id },
  });
}
