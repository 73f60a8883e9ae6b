import http from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

/** What is sent back for a creation. */
interface Reply {
  readonly status: number;
  readonly body: string;
}

export interface Intercepted extends AsyncDisposable {
  readonly url: string;
}

/**
 * A server before Barbican that passes everything on, and lets `onCreate` decide when a creation is carried out and what
 * is answered to it: things that need an order between requests.
 */
export async function intercepted(
  target: string,
  onCreate: (carryOut: () => Promise<Reply>, count: number) => Promise<Reply>,
): Promise<Intercepted> {
  let creations = 0;
  const server = http.createServer((request, response) => {
    void (async () => {
      const body = await text(request);
      const carryOut = async (): Promise<Reply> => {
        const headers = Object.entries(request.headers).filter(
          ([name]) => !["host", "connection"].includes(name),
        );
        const answer = await fetch(`${target}${request.url}`, {
          method: request.method ?? "GET",
          headers: headers.map(([name, value]): [string, string] => [name, String(value)]),
          ...(body === "" ? {} : { body }),
        });
        response.setHeader("content-type", answer.headers.get("content-type") ?? "");
        return { status: answer.status, body: await answer.text() };
      };
      const isCreation = request.method === "POST" && request.url === "/v1/secrets";
      const reply = isCreation ? await onCreate(carryOut, (creations += 1)) : await carryOut();
      response.writeHead(reply.status).end(reply.status === 204 ? undefined : reply.body);
    })().catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  // A server that listens on a port has such an address.
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}
