import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { GeneratedPassphrase } from "@luksmith/core";
import { ServiceClient, type ServiceRequest, type ServiceResponse } from "@luksmith/keystone";
import { testContext, type TestContext } from "@luksmith/testkit";
import { sharedOpenStack } from "@luksmith/testing-services";
import { beforeAll, describe, expect, test } from "vitest";
import { barbicanBench } from "./barbican-bench.ts";
import { BarbicanKeyManager } from "../src/index.ts";
import { expectCode, expectSame, freshName, listed, store } from "./steps.ts";

beforeAll(async () => void (await sharedOpenStack()), 180_000);

interface Standing extends AsyncDisposable {
  readonly url: string;
}

/**
 * A Keystone that tells of any token what it knows of `token`: what Luksmith has asked while the user's token was good,
 * it remembers when the token has ended.
 */
async function rememberingKeystone(target: string, token: string): Promise<Standing> {
  const server = createServer((_, response) => {
    void fetch(`${target}/auth/tokens`, { headers: { "x-auth-token": token, "x-subject-token": token } })
      .then(async (answer) => response.writeHead(answer.status).end(await answer.text()))
      .catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  // A server that listens on a port has such an address.
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/v3`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}

describe("tokens", { timeout: 60_000 }, () => {
  test.each([true, false])(
    "of users that have ended meanwhile do, with the agent's beside them: %s",
    async (send) => {
      await using bench = await barbicanBench();
      const { keystone } = bench.cloud.urls;
      await using remembering = await rememberingKeystone(keystone, await bench.cloud.issueToken("alice"));
      const keyManager = await bench.open({
        account: "hostagent",
        barbican: { auth_endpoint: remembering.url, send_service_user_token: String(send) },
      });
      const ended = testContext({ userToken: await bench.token("alice", { expiresInSeconds: -60 }) });
      if (send) {
        using secret = await store(keyManager, ended);
        await expectSame(keyManager, secret, ended);
        return;
      }
      using passphrase = GeneratedPassphrase.create();
      const creating = keyManager.create({ name: freshName(), passphrase }, ended);
      const error = await expectCode(creating, "TokenRefused", ended, passphrase);
      expect(error.details).toMatchObject({ status: 401 });
    },
  );

  test("and passphrases are nowhere in what is logged, and no request's body stays", async () => {
    await using bench = await barbicanBench();
    const bodies: Uint8Array[] = [];
    const http = { connectTimeoutMs: 10_000, timeoutMs: 60_000 };
    const client = new Recording(
      {
        service: "Barbican",
        endpoint: async () => bench.proxy.url,
        http,
        maxConcurrent: 4,
        retries: { attempts: 1, baseMs: 1, maxMs: 1 },
        breaker: { failures: 10, openMs: 1 },
      },
      (body) => {
        bodies.push(body);
      },
    );
    const keystone = { authUrl: bench.cloud.urls.keystone, http };
    const keyManager = new BarbicanKeyManager({ client, keystone, consumers: true, acl: "project" });
    const ctx: TestContext = await bench.as("alice");
    using secret = await store(keyManager, ctx);
    await keyManager.close();
    expect(bodies).toHaveLength(1);
    expect(bodies[0]?.length).toBeGreaterThan(secret.passphrase.length);
    expect(bodies[0]?.every((byte) => byte === 0)).toBe(true);
    expect(await listed(bench.keyManager, ctx, secret.name)).toMatchObject([{ id: secret.id }]);
    await expectSame(bench.keyManager, secret, ctx);
  });
});

/** Keeps hold of the bodies, as a library that copies nothing would. */
class Recording extends ServiceClient {
  readonly #keep: (body: Uint8Array) => void;

  constructor(options: ConstructorParameters<typeof ServiceClient>[0], keep: (body: Uint8Array) => void) {
    super(options);
    this.#keep = keep;
  }

  override request(...[request, ctx]: Parameters<ServiceClient["request"]>): Promise<ServiceResponse> {
    const { body }: ServiceRequest = request;
    if (body !== undefined) this.#keep(body.bytes);
    return super.request(request, ctx);
  }
}
