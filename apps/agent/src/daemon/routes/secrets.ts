import { revealSecret } from "@luksmith/core/host";
import { OfSecret } from "../inputs.ts";
import { type Route, route } from "../route.ts";

export const SECRET_ROUTES: readonly Route[] = [
  route({
    method: "POST",
    path: "/v1/secrets/{id}/reveal",
    id: "revealSecret",
    tag: "secrets",
    summary: "A passphrase, byte for byte; audited",
    input: { params: OfSecret },
    answer: { status: 200, description: "The passphrase.", mediaType: "application/octet-stream" },
    errors: [403, 404, 503],
    handle: async ({ params: { id }, caller, parts, reply }) => {
      const ctx = caller.context(
        { signal: AbortSignal.timeout(60_000), progress: () => {} },
        "secret reveal",
      );
      using passphrase = await revealSecret(parts.host, { id }, ctx);
      const bytes = passphrase.use((secret) => Buffer.from(secret));
      reply.raw.once("close", () => bytes.fill(0));
      await reply.header("cache-control", "no-store").type("application/octet-stream").send(bytes);
      return undefined;
    },
  }),
];
