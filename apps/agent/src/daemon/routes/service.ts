import { docsPage } from "../docs-page.ts";
import { openApi } from "../openapi.ts";
import { type Route, route } from "../route.ts";
import { HealthSchema, ReadySchema } from "../schemas/index.ts";
import type { DaemonParts } from "../parts.ts";

const tag = "service";

/** What is asked about the daemon itself. */
export function serviceRoutes(all: () => readonly Route[]): readonly Route[] {
  return [
    route({
      method: "GET",
      path: "/healthz",
      id: "health",
      tag,
      summary: "Whether the daemon answers",
      answer: { status: 200, description: "It does.", schema: HealthSchema },
      handle: async () => ({ status: "ok" }),
    }),
    route({
      method: "GET",
      path: "/readyz",
      id: "readiness",
      tag,
      summary: "Whether the daemon takes operations; 503 if not",
      answer: { status: 200, description: "It does.", schema: ReadySchema },
      errors: [503],
      handle: async ({ parts, reply }) => {
        const document = await readiness(parts);
        if (!document.ready) reply.code(503);
        return document;
      },
    }),
    route({
      method: "GET",
      path: "/metrics",
      id: "metrics",
      tag,
      summary: "Metrics in Prometheus' text format",
      answer: { status: 200, description: "The metrics.", mediaType: "text/plain" },
      handle: async ({ parts: { metrics }, reply }) => {
        await reply.type(metrics.contentType).send(await metrics.text());
        return undefined;
      },
    }),
    route({
      method: "GET",
      path: "/openapi.json",
      id: "openapi",
      tag,
      summary: "This API as an OpenAPI 3.1 document",
      answer: { status: 200, description: "The document.", mediaType: "application/json" },
      handle: ({ parts }) => openApi(all(), parts.version),
    }),
    route({
      method: "GET",
      path: "/docs",
      id: "docs",
      tag,
      summary: "This API as a page for people",
      answer: { status: 200, description: "The page.", mediaType: "text/html" },
      handle: async ({ parts, reply }) => {
        const page = docsPage(await openApi(all(), parts.version));
        await reply.type("text/html; charset=utf-8").send(page);
        return undefined;
      },
    }),
  ];
}

async function readiness({ host, queue, guests }: DaemonParts) {
  const reasons: string[] = [];
  if (queue.stopping) reasons.push("the daemon is stopping");
  await host.services().catch((error: unknown) => reasons.push(`plugins: ${String(error)}`));
  const unfinished = host.journal.unfinished().length;
  const { running, queued } = queue;
  const { resuming, waiting } = guests;
  return { ready: reasons.length === 0, reasons, running, queued, unfinished, resuming, waiting };
}
