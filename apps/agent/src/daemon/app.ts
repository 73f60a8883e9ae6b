import type { Logger } from "@luksmith/core/host";
import { isLuksmithError, LuksmithError } from "@luksmith/core/host";
import { fastify, type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import type * as z from "zod";
import { parseJson } from "../input/read-request.ts";
import { errorAnswer, toJson } from "./answers.ts";
import { callerOf, globalRequestId, newRequestId } from "./caller.ts";
import type { DaemonParts } from "./parts.ts";
import type { Route } from "./route.ts";
import { CONNECTION_LIMITS, guardConnections, httpLimits } from "./slow-clients.ts";

const BODY_BYTES = 64 * 1024;
const REQUEST_ID = "x-openstack-request-id";

/** The HTTP side: routing, bodies, errors, log. It does not listen by itself. */
export async function buildApp(
  routes: readonly Route[],
  parts: DaemonParts,
  log: Logger,
  limits = CONNECTION_LIMITS,
): Promise<FastifyInstance> {
  const app = fastify({
    ...httpLimits(limits),
    logger: false,
    bodyLimit: BODY_BYTES,
    genReqId: newRequestId,
    requestIdHeader: false,
    exposeHeadRoutes: false,
    return503OnClosing: false,
    routerOptions: { maxParamLength: 512 },
    // A path that cannot be read, before any route or hook.
    frameworkErrors: (error, request, reply) => void refuse(error, request, reply, parts, log),
  });
  guardConnections(app.server, limits);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("application/json", { parseAs: "buffer" }, (_request, body: Buffer, done) => {
    try {
      done(null, body.length === 0 ? undefined : parseJson(body, "the body"));
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)));
    }
  });
  // Clients in other languages give a type also to no body at all.
  app.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body: Buffer, done) => {
    done(body.length === 0 ? null : wrongType());
  });
  app.setErrorHandler((error, request, reply) => refuse(error, request, reply, parts, log));
  app.setNotFoundHandler((request, reply) => refuse(unknownRoute(request), request, reply, parts, log));
  app.addHook("onRequest", async (request, reply) => {
    reply.header(REQUEST_ID, request.id);
    if (parts.queue.stopping) reply.header("connection", "close");
  });
  app.addHook("onResponse", async (request, reply) => logAnswer(request, reply, parts, log));
  for (const each of routes) addRoute(app, each, parts, log);
  await app.ready();
  return app;
}

function addRoute(app: FastifyInstance, each: Route, parts: DaemonParts, log: Logger): void {
  const { method, path, input, answer, handle, bodyLimit = BODY_BYTES } = each;
  app.route({
    method,
    url: path.replaceAll(/\{(\w+)\}/g, ":$1"),
    bodyLimit,
    handler: async (request, reply) => {
      const caller = callerOf(request, log.child({ requestId: request.id }));
      reply.code(answer.status);
      let lent = each.task;
      try {
        const document = await handle({
          // Asserted: what the schemas let through is of the types that `route` gave the handler.
          params: checked(input.params, request.params, "the path") as never,
          query: checked(input.query, request.query, "the query") as never,
          body: checked(input.body, request.body, "the body") as never,
          caller,
          parts,
          reply,
        });
        if (document !== undefined)
          await reply.type("application/json; charset=utf-8").send(toJson(document));
      } catch (error) {
        lent = false;
        throw error;
      } finally {
        // A task that goes on keeps what it was lent, and wipes it itself.
        if (!lent) caller.release();
      }
      return reply;
    },
  });
}

function checked(schema: z.ZodType | undefined, value: unknown, where: string): unknown {
  if (!schema) return undefined;
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) => ({ path: path.join("."), message }));
  const text = problems.map(({ path, message }) => (path ? `${path}: ${message}` : message)).join("; ");
  throw new LuksmithError("InvalidRequest", `${where} is not as it must be: ${text}`, {
    details: { problems },
  });
}

function wrongType(): Error {
  return Object.assign(new Error("the body must be JSON, of the type application/json"), { statusCode: 415 });
}

function unknownRoute({ method, url }: FastifyRequest): Error {
  const [path] = url.split("?");
  const message = `there is no ${method} ${path?.slice(0, 200)}; GET /openapi.json lists what there is`;
  return Object.assign(new Error(message), { statusCode: 404 });
}

async function refuse(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  { metrics }: DaemonParts,
  log: Logger,
): Promise<FastifyReply> {
  const { status, headers, body } = errorAnswer(error);
  reply.header(REQUEST_ID, request.id);
  if (status >= 500 && !isLuksmithError(error)) {
    log.error({ requestId: request.id, err: error }, "unexpected error");
  }
  if (isLuksmithError(error)) metrics.refused(error.code);
  // What is left of a body that nobody reads must not be taken for the next request.
  if (status === 413) reply.header("connection", "close");
  return reply.code(status).headers(headers).type("application/json; charset=utf-8").send(body);
}

function logAnswer(
  request: FastifyRequest,
  reply: FastifyReply,
  { metrics }: DaemonParts,
  log: Logger,
): void {
  const { method, id: requestId } = request;
  const route = request.routeOptions.url ?? "none";
  const ms = Math.round(reply.elapsedTime);
  metrics.answered(method, route, reply.statusCode, reply.elapsedTime / 1000);
  const global = globalRequestId(request.headers);
  const fields = { requestId, method, path: request.url, status: reply.statusCode, ms };
  const line = { ...fields, ...(global ? { globalRequestId: global } : {}) };
  if (method === "GET") log.debug(line, "answered");
  else log.info(line, "answered");
}
