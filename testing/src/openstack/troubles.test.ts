import { randomUUID } from "node:crypto";
import { createInstance, deleteById, errorToJson, parseRequest, verifyDisks } from "@luksmith/core/host";
import { FaultProxy, faults, type OpenStack, sharedOpenStack } from "@luksmith/testing-services";
import { beforeAll, describe, expect, test } from "vitest";
import { requestJson } from "../request-json.ts";
import type { TempHost } from "../temp-host.ts";
import type { TestContext } from "../workspace.ts";
import { expectNothingLeft, secretsOf } from "./nothing-left.ts";
import { contextOf, contextWith, openStackHost } from "./openstack-host.ts";
import { testContext } from "../workspace.ts";

let openstack: OpenStack;
beforeAll(async () => {
  openstack = await sharedOpenStack();
}, 120_000);

/** Tries to make an instance of two disks. */
async function tryCreate(
  temp: TempHost,
  ctx: TestContext,
  instance: string,
  projectId?: string,
): Promise<Record<string, unknown> | undefined> {
  const image = temp.addImage(1 << 20);
  const json = requestJson({ instance, image, imageBytes: 1 << 20, swap: 4 });
  if (projectId) (json["server"] as Record<string, unknown>)["tenant_id"] = projectId;
  await using host = await temp.write(ctx);
  try {
    await createInstance(host, await parseRequest(json), ctx);
    return undefined;
  } catch (error) {
    return errorToJson(error);
  }
}

describe(
  "a create that Barbican refuses leaves neither disk nor secret, and says why",
  { timeout: 60_000 },
  () => {
    test("without a token", async () => {
      const [temp, instance] = [openStackHost(openstack), randomUUID()];
      expect(await tryCreate(temp, testContext(), instance)).toMatchObject({
        code: "TokenMissing",
        message: expect.stringMatching(/OS_|token/),
      });
      await expectNothingLeft(temp, openstack, "alice", instance);
    });

    test("the user may not create secrets: the missing role is named", async () => {
      const [temp, instance] = [openStackHost(openstack), randomUUID()];
      const error = await tryCreate(temp, await contextOf(openstack, "bob"), instance);
      expect(error).toMatchObject({
        code: "PermissionDenied",
        message: expect.stringContaining("creator"),
        details: { status: 403 },
      });
      expect(error?.["message"]).toContain("member");
      await expectNothingLeft(temp, openstack, "alice", instance);
    });

    test("an expired and a revoked token", async () => {
      const [temp, instance] = [openStackHost(openstack), randomUUID()];
      const expired = await openstack.issueToken("alice", { expiresInSeconds: -60 });
      const revoked = await openstack.issueToken("alice");
      await openstack.revokeToken(revoked);
      for (const token of [expired, revoked]) {
        const error = await tryCreate(temp, contextWith(token), instance);
        expect(error).toMatchObject({
          code: "TokenRefused",
          message: expect.stringMatching(/expired|revoked/),
        });
        expect(JSON.stringify(error)).not.toContain(token);
      }
      await expectNothingLeft(temp, openstack, "alice", instance);
    });

    test("a token of another project than the instance's", async () => {
      const [temp, instance] = [openStackHost(openstack), randomUUID()];
      const { projectId } = openstack.user("alice");
      const error = await tryCreate(temp, await contextOf(openstack, "mallory"), instance, projectId);
      expect(error).toMatchObject({ code: "SecretScopeMismatch", details: { owner: projectId } });
      await expectNothingLeft(temp, openstack, "mallory", instance);
    });

    test("the project's quota of secrets is full after the first disk's", async () => {
      const project = await openstack.createProject(`small-${randomUUID()}`, {
        alice: ["member", "creator"],
      });
      await openstack.setBarbicanQuota(project.id, 1);
      const [temp, instance] = [openStackHost(openstack), randomUUID()];
      const token = await openstack.issueToken("alice", { scope: { project: project.name } });
      const error = await tryCreate(temp, contextWith(token), instance);
      expect(error).toMatchObject({ code: "QuotaExceeded", message: expect.stringContaining("quota") });
      // The quota has room again: the first secret is gone.
      const again = await tryCreate(temp, contextWith(token), randomUUID());
      expect(again).toMatchObject({ code: "QuotaExceeded" });
      await expectNothingLeft(temp, openstack, "alice", instance);
    });

    test.each([
      [
        "500",
        faults.status(500, '{"title": "Internal Server Error"}', { "content-type": "application/json" }),
        /500/,
      ],
      ["502 with HTML", faults.badGateway(), /502/],
      ["no JSON", faults.garbage(), /./],
      ["no answer", faults.hang(), /time|answer/i],
      ["an answer that comes too late", faults.delay(2500), /time|answer/i],
    ])("a server that gives %s", async (_, fault, words) => {
      await using proxy = await FaultProxy.start(openstack.urls.barbican);
      proxy.on(({ method, path }) =>
        method === "POST" && path.startsWith("/v1/secrets") ? fault : undefined,
      );
      const barbican = ["timeout = 1"];
      const temp = openStackHost(openstack, { barbicanUrl: proxy.url, barbican });
      const instance = randomUUID();
      const error = await tryCreate(temp, await contextOf(openstack, "alice"), instance);
      expect(error).toMatchObject({ code: expect.stringMatching(/KeyManagerUnavailable|ServiceRefused/) });
      expect(error?.["message"]).toMatch(words);
      expect(error?.["message"]).not.toContain("<html");
      // What came too late is found by name and taken back, now or by the next recovery.
      const ctx = await contextOf(openstack, "alice");
      await temp.write(ctx).then((host) => host[Symbol.asyncDispose]());
      await expectNothingLeft(temp, openstack, "alice", instance);
    });

    test("a server that is down", async () => {
      const proxy = await FaultProxy.start(openstack.urls.barbican);
      await proxy[Symbol.asyncDispose]();
      const [temp, instance] = [openStackHost(openstack, { barbicanUrl: proxy.url }), randomUUID()];
      const error = await tryCreate(temp, await contextOf(openstack, "alice"), instance);
      expect(error).toMatchObject({ code: "KeyManagerUnavailable", retryable: true });
      await expectNothingLeft(temp, openstack, "alice", instance);
    });
  },
);

describe("a create that Barbican makes difficult succeeds", { timeout: 60_000 }, () => {
  test("answers that are lost are found again by name: one secret for each disk", async () => {
    await using proxy = await FaultProxy.start(openstack.urls.barbican);
    proxy.next(faults.dropAfter(), ({ method, path }) => method === "POST" && path.endsWith("/secrets"), 2);
    const temp = openStackHost(openstack, { barbicanUrl: proxy.url });
    const instance = randomUUID();
    const ctx = await contextOf(openstack, "alice");
    expect(await tryCreate(temp, ctx, instance)).toBeUndefined();
    expect(await secretsOf(openstack, "alice", instance)).toHaveLength(2);
    await using host = await temp.write(ctx);
    const [report] = await verifyDisks(host, instance, ctx);
    expect(report?.disks.map(({ ok }) => ok)).toEqual([true, true]);
    await deleteById(host, instance, { forgetMissing: false }, ctx);
    expect(await secretsOf(openstack, "alice", instance)).toEqual([]);
  });

  test("a 401 for a given token is final", async () => {
    await using proxy = await FaultProxy.start(openstack.urls.barbican);
    proxy.next(faults.unauthorized(), ({ method }) => method === "POST");
    const [temp, instance] = [openStackHost(openstack, { barbicanUrl: proxy.url }), randomUUID()];
    const error = await tryCreate(temp, await contextOf(openstack, "alice"), instance);
    expect(error).toMatchObject({ code: "TokenRefused", details: { status: 401 } });
    await expectNothingLeft(temp, openstack, "alice", instance);
  });
});

describe("a disk whose secret somebody deleted", { timeout: 60_000 }, () => {
  test("is named by verify, and can still be deleted", async () => {
    const [temp, instance] = [openStackHost(openstack), randomUUID()];
    const ctx = await contextOf(openstack, "alice");
    expect(await tryCreate(temp, ctx, instance)).toBeUndefined();
    await using host = await temp.write(ctx);
    const services = await host.services();
    const id = host.inventory.instance(instance)?.disks[0]?.encryption?.secretId ?? "";
    await services.keys.delete({ id }, ctx);
    const [report] = await verifyDisks(host, instance, ctx);
    expect(report?.disks.map(({ ok }) => ok)).toEqual([false, true]);
    expect(JSON.stringify(report)).toContain(id);
    await deleteById(host, instance, { forgetMissing: false }, ctx);
    expect(await secretsOf(openstack, "alice", instance)).toEqual([]);
  });
});
