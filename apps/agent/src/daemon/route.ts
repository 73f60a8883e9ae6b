import type { FastifyReply } from "fastify";
import type * as z from "zod";
import type { Caller } from "./caller.ts";
import type { DaemonParts } from "./parts.ts";

/** What a handler is given. */
export interface Call<P, Q, B> {
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  readonly caller: Caller;
  readonly parts: DaemonParts;
  /** For headers, and for answers that are no JSON. */
  readonly reply: FastifyReply;
}

/** What is answered when all goes well. */
export interface Answer {
  readonly status: number;
  readonly description: string;
  /** Undefined: `mediaType` says it all. */
  readonly schema?: z.ZodType;
  readonly mediaType?: string;
}

export interface RouteInput<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodType> {
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
}

/** One operation of the API as data: the router, the validation and the OpenAPI document are all made from it. */
export interface Route {
  readonly method: "GET" | "POST" | "DELETE";
  /** As OpenAPI writes it: `/v1/instances/{id}`. */
  readonly path: string;
  /** operationId: what generated clients call it. */
  readonly id: string;
  readonly tag: string;
  readonly summary: string;
  readonly input: RouteInput<z.ZodObject, z.ZodObject, z.ZodType>;
  readonly answer: Answer;
  /** It becomes a task: it may be waited for or not, and takes idempotency keys. */
  readonly task: boolean;
  /** Categories of errors it may answer with, besides `input` and `internal`. */
  readonly errors: readonly number[];
  /** Bytes; default 64 KiB. */
  readonly bodyLimit?: number;
  /** @returns the document; undefined: the handler has answered */
  readonly handle: (call: Call<never, never, never>) => Promise<unknown>;
}

/** Gives a route's handler the types of its schemas. */
export function route<
  P extends z.ZodObject = z.ZodObject<Record<string, never>>,
  Q extends z.ZodObject = z.ZodObject<Record<string, never>>,
  B extends z.ZodType = z.ZodUndefined,
>(
  spec: Omit<Route, "handle" | "input" | "task" | "errors"> & {
    readonly input?: RouteInput<P, Q, B>;
    readonly errors?: readonly number[];
    readonly handle: (call: Call<z.output<P>, z.output<Q>, z.output<B>>) => Promise<unknown>;
  },
): Route {
  return { input: {}, errors: [], task: false, ...spec };
}
