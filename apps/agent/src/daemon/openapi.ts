import { requestSchema } from "@luksmith/core/host";
import * as z from "zod";
import type { Answer, Route } from "./route.ts";
import * as schemas from "./schemas/index.ts";
import { AnyRequest } from "./request-body.ts";

type JsonSchema = Record<string, unknown>;

/** Statuses with what they mean here; each answers with an error. */
const ERRORS: Readonly<Record<number, string>> = {
  400: "The request is wrong. Nothing was changed.",
  403: "This user may not do it.",
  404: "It is not there.",
  409: "It exists already, or somebody else uses it.",
  422: "This host cannot do it, or the idempotency key came with another request before.",
  499: "It was cancelled; what was begun was undone.",
  500: "The configuration, the state or Luksmith itself is wrong.",
  502: "Another program failed.",
  503: "A service, space or a place in the queue is missing now. `Retry-After` may say when to try again.",
  504: "Another program or service took too long.",
};

const HEADERS = {
  token: {
    name: "X-Auth-Token",
    in: "header",
    description: "The Keystone token of the user for whom this is done, where services ask for one.",
    schema: { type: "string" },
  },
  async: {
    name: "Prefer",
    in: "header",
    description: "`respond-async`: answer 202 with a task at once.",
    schema: { type: "string" },
  },
  key: {
    name: "Idempotency-Key",
    in: "header",
    description: "The same key again does the work no second time, and answers the same.",
    schema: { type: "string", minLength: 1, maxLength: 255 },
  },
} as const;

/** The API as an OpenAPI 3.1 document, made from the routes that answer. */
export async function openApi(routes: readonly Route[], version: string): Promise<JsonSchema> {
  const paths: Record<string, Record<string, unknown>> = {};
  const names = new Map<z.ZodType, string>();
  for (const [name, schema] of Object.entries(schemas)) names.set(schema, name.replace(/Schema$/, ""));
  for (const each of routes) {
    paths[each.path] = { ...paths[each.path], [each.method.toLowerCase()]: operation(each, names) };
  }
  return {
    openapi: "3.1.1",
    info: {
      title: "Luksmith",
      version,
      description: "Encrypted ephemeral disks for virtual machines, over the daemon's unix socket.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [
      { url: "http://localhost", description: "Any name will do: the socket is what is connected to." },
    ],
    tags: [...new Set(routes.map(({ tag }) => tag))].map((name) => ({ name })),
    paths,
    components: { schemas: await components(names) },
  };
}

async function components(names: ReadonlyMap<z.ZodType, string>): Promise<JsonSchema> {
  const request = toJsonSchema(await requestSchema(), "input");
  return {
    ...Object.fromEntries([...names].map(([schema, name]) => [name, toJsonSchema(schema, "output")])),
    Request: {
      ...request,
      description: "REQUEST.json: a Nova server with its flavor, and a Glance image or null.",
    },
  };
}

function operation({ id, tag, summary, input, answer, task, errors }: Route, names: Map<z.ZodType, string>) {
  const { params, query, body } = input;
  const parameters = [
    ...parametersOf("path", params),
    ...parametersOf("query", query),
    ...(task ? [HEADERS.async, HEADERS.key] : []),
    ...(tag === "service" || tag === "tasks" ? [] : [HEADERS.token]),
  ];
  const failures = [...new Set([400, ...errors, ...(task ? [499] : []), 500])].sort((a, b) => a - b);
  return {
    operationId: id,
    tags: [tag],
    summary,
    parameters,
    ...(body ? { requestBody: bodyOf(body) } : {}),
    responses: {
      [answer.status]: { description: answer.description, content: contentOf(answer, names) },
      ...(task ? { 202: accepted(names) } : {}),
      ...Object.fromEntries(
        failures.map((status) => [status, failure(ERRORS[status] ?? "An error.", names)]),
      ),
    },
  };
}

function parametersOf(place: "path" | "query", schema: z.ZodObject | undefined): JsonSchema[] {
  return Object.entries(schema?.shape ?? {}).map(([name, each]) => {
    // Asserted: shapes are of zod's own types, which its types tell for the core only.
    const { description, ...rest } = toJsonSchema(each as z.ZodType, "input");
    const required = place === "path";
    return { name, in: place, required, description: description ?? name, schema: rest };
  });
}

function bodyOf(body: z.ZodType): JsonSchema {
  const schema = body === AnyRequest ? ref("Request") : toJsonSchema(body, "input");
  const required = !body.safeParse(undefined).success || body === AnyRequest;
  return { required, content: { "application/json": { schema } } };
}

function contentOf({ schema, mediaType = "application/json" }: Answer, names: Map<z.ZodType, string>) {
  if (schema) return { [mediaType]: { schema: ref(names.get(schema) ?? "") } };
  const text = mediaType.startsWith("text/") ? { type: "string" } : {};
  return { [mediaType]: { schema: text } };
}

function accepted(names: Map<z.ZodType, string>): JsonSchema {
  return {
    description: "Not waited for, as asked. The task tells how it goes.",
    headers: { Location: { description: "The task.", schema: { type: "string" } } },
    content: contentOf({ status: 202, description: "", schema: schemas.TaskSchema }, names),
  };
}

function failure(description: string, names: Map<z.ZodType, string>): JsonSchema {
  return { description, content: contentOf({ status: 0, description, schema: schemas.ErrorSchema }, names) };
}

function ref(name: string): JsonSchema {
  return { $ref: `#/components/schemas/${name}` };
}

function toJsonSchema(schema: z.ZodType, io: "input" | "output"): JsonSchema {
  const {
    $schema: _,
    id: _id,
    ...rest
  } = z.toJSONSchema(schema, { io, unrepresentable: "any" }) as JsonSchema;
  return rest;
}
