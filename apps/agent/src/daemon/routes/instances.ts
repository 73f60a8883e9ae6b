import { parseRequest, previewCreate } from "@luksmith/core/host";
import { create } from "../../actions/create.ts";
import { deleteAction } from "../../actions/delete.ts";
import { rekey } from "../../actions/rekey.ts";
import { MAX_REQUEST_BYTES } from "../../input/read-request.ts";
import { listDocument } from "../../output/list-document.ts";
import { shownDocument } from "../../output/shown-document.ts";
import { verifyDocument } from "../../output/verify-document.ts";
import { DeleteQuery, OfInstance, RekeyBody } from "../inputs.ts";
import { type Route, route } from "../route.ts";
import {
  DeletedSchema,
  InstanceSchema,
  ShownInstanceSchema,
  ListSchema,
  PlanSchema,
  RekeyedSchema,
  VerifySchema,
} from "../schemas/index.ts";
import { taskRoute } from "../task-route.ts";
import { AnyRequest } from "../request-body.ts";

const tag = "instances";

export const INSTANCE_ROUTES: readonly Route[] = [
  route({
    method: "GET",
    path: "/v1/instances",
    id: "listInstances",
    tag,
    summary: "The instances and snapshots of this host",
    answer: { status: 200, description: "All of them.", schema: ListSchema },
    handle: async ({ parts }) => listDocument(parts.host),
  }),
  taskRoute({
    method: "POST",
    path: "/v1/instances",
    id: "createInstance",
    tag,
    summary: "Make the disks of an instance: all, or none",
    input: { body: AnyRequest },
    bodyLimit: MAX_REQUEST_BYTES,
    answer: { status: 201, description: "The instance.", schema: InstanceSchema },
    errors: [403, 404, 409],
    work: async ({ body }) => {
      const request = await parseRequest(body);
      return { action: create, input: { document: body, request }, subject: request.server.id };
    },
  }),
  route({
    method: "GET",
    path: "/v1/instances/{id}",
    id: "showInstance",
    tag,
    summary: "An instance with its disks and their XML",
    input: { params: OfInstance },
    answer: { status: 200, description: "The instance.", schema: ShownInstanceSchema },
    errors: [404],
    handle: async ({ params, parts }) => shownDocument(parts.host, params.id),
  }),
  taskRoute({
    method: "DELETE",
    path: "/v1/instances/{id}",
    id: "deleteInstance",
    tag,
    summary: "Erase and remove the disks of an instance, or a snapshot, then their passphrases",
    input: { params: OfInstance, query: DeleteQuery },
    answer: { status: 200, description: "What was deleted.", schema: DeletedSchema },
    errors: [403, 404, 409],
    work: ({ params: { id }, query }) => ({
      action: deleteAction,
      input: { id, forgetMissing: query.forget_missing === "true" },
      subject: id,
    }),
  }),
  taskRoute({
    method: "POST",
    path: "/v1/instances/{id}/rekey",
    id: "rekeyInstance",
    tag,
    summary: "Give each encrypted disk of an instance a new passphrase",
    input: { params: OfInstance, body: RekeyBody },
    answer: { status: 200, description: "The disks that have one.", schema: RekeyedSchema },
    errors: [403, 404, 409],
    work: ({ params: { id }, body: { volume_key: volumeKey = false, abandon = false } = {} }) => ({
      action: rekey,
      input: { id, disk: undefined, volumeKey, abandon },
      subject: id,
    }),
  }),
  taskRoute({
    method: "POST",
    path: "/v1/instances/{id}/verify",
    id: "verifyInstance",
    tag,
    summary: "Check the disks of an instance; `ok` says whether all is well",
    input: { params: OfInstance },
    answer: { status: 200, description: "What was found.", schema: VerifySchema },
    errors: [403, 404],
    work: ({ params: { id } }) => ({
      action: { kind: "verify", run: (host, _input, ctx) => verifyDocument(host, id, ctx) },
      input: undefined,
    }),
  }),
  taskRoute({
    method: "POST",
    path: "/v1/verify",
    id: "verifyAll",
    tag,
    summary: "Check the disks of all instances",
    answer: { status: 200, description: "What was found.", schema: VerifySchema },
    errors: [403],
    work: () => ({
      action: { kind: "verify", run: (host, _input, ctx) => verifyDocument(host, undefined, ctx) },
      input: undefined,
    }),
  }),
  taskRoute({
    method: "POST",
    path: "/v1/plan",
    id: "planInstance",
    tag,
    summary: "What a create would make, to the byte; changes nothing",
    input: { body: AnyRequest },
    bodyLimit: MAX_REQUEST_BYTES,
    answer: { status: 200, description: "The plan.", schema: PlanSchema },
    errors: [403, 404],
    work: async ({ body }) => {
      const request = await parseRequest(body);
      return {
        action: { kind: "plan", run: (host, _input, ctx) => previewCreate(host, request, ctx) },
        input: undefined,
      };
    },
  }),
];
