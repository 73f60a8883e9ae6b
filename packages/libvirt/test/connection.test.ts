import { randomUUID } from "node:crypto";
import { GeneratedPassphrase } from "@luksmith/core";
import { testContext } from "@luksmith/testkit";
import { sharedLibvirt, startLibvirt } from "@luksmith/testing-services";
import { describe, expect, onTestFinished, test } from "vitest";
import { connectLibvirt } from "../src/client.ts";
import { KEEPALIVE, KEEPALIVE_PROGRAM, beginMessage, finishMessage } from "../src/rpc/message.ts";
import { openConnection } from "../src/rpc/open-connection.ts";
import { RpcConnection } from "../src/rpc/rpc-connection.ts";
import { libvirtAddress, socketOf } from "../src/rpc/socket-path.ts";
import { type Behaviour, fakeDaemon, welcoming } from "./fake-daemon.ts";

const LIB_VERSION = 157;
const HYPERVISOR_VERSION = 4;

async function connected(behave: Behaviour) {
  const uri = await fakeDaemon(welcoming(behave));
  const libvirt = await connectLibvirt(uri, testContext());
  onTestFinished(() => libvirt[Symbol.dispose]());
  return libvirt;
}

async function rawConnection(behave: Behaviour): Promise<RpcConnection> {
  const uri = await fakeDaemon(behave);
  const connection = await RpcConnection.connect(socketOf(libvirtAddress(uri)), testContext());
  onTestFinished(() => connection[Symbol.dispose]());
  return connection;
}

const hyper = { read: (reader: { hyper(): bigint }) => reader.hyper() };

describe("a real daemon", () => {
  test("answers many calls at once", async () => {
    using libvirt = await connectLibvirt((await sharedLibvirt()).uri, testContext());
    const uuids = Array.from({ length: 50 }, () => randomUUID());
    const ctx = testContext();
    await Promise.all(uuids.map((uuid) => libvirt.secrets.define({ uuid, usage: `test ${uuid}` }, ctx)));
    const found = await Promise.all(uuids.map((uuid) => libvirt.secrets.find(uuid, ctx)));
    // Each got the answer to its own question.
    expect(found.map((each) => each?.uuid)).toEqual(uuids);
    await Promise.all(uuids.map((uuid) => libvirt.secrets.undefine(uuid, ctx)));
    expect(await libvirt.capabilities(ctx)).toContain("<capabilities>");
  }, 180_000);

  test("that hangs makes calls time out, and is of use again when it goes on", async () => {
    const env = await startLibvirt();
    onTestFinished(() => env[Symbol.asyncDispose]());
    const connection = await openConnection(env.uri, testContext());
    onTestFinished(() => connection[Symbol.dispose]());
    await env.signal("STOP");
    const call = connection.call("connectGetLibVersion", { ...hyper, timeoutMs: 300 }, testContext());
    await expect(call).rejects.toMatchObject({ code: "LibvirtTimedOut", category: "timeout" });
    await env.signal("CONT");
    // The late answer to the first call is not taken for the answer to this one.
    expect(await connection.call("connectGetLibVersion", hyper, testContext())).toBeGreaterThan(1_000_000n);
  }, 180_000);

  test("that is not there is unavailable", async () => {
    const missing = connectLibvirt("qemu+unix:///system?socket=/nonexistent/libvirt-sock", testContext());
    await expect(missing).rejects.toMatchObject({
      code: "LibvirtUnavailable",
      retryable: true,
      message: expect.stringContaining("/nonexistent/libvirt-sock") as string,
    });
  });

  test("says what it does not like by a number", async () => {
    using libvirt = await connectLibvirt((await sharedLibvirt()).uri, testContext());
    const refused = libvirt.secrets.setValue(randomUUID(), GeneratedPassphrase.create(), testContext());
    await expect(refused).rejects.toMatchObject({
      code: "GuestSecretMissing",
      details: { libvirt_error: 66, libvirt_domain: 30 },
    });
  }, 180_000);
});

describe("a daemon", () => {
  test("may answer in another order, and to nobody", async () => {
    const waiting: (() => void)[] = [];
    const libvirt = await connected(({ procedure }, { reply }) => {
      reply((writer) => writer.hyper(7n), 4711);
      waiting.unshift(() =>
        reply((writer) => writer.hyper(procedure === LIB_VERSION ? 1_002_003n : 4_005_006n)),
      );
      if (procedure === HYPERVISOR_VERSION) for (const answer of waiting) answer();
      else if (waiting.length === 1) answerLater(waiting);
    });
    expect(await libvirt.version(testContext())).toEqual({ libvirt: "1.2.3", qemu: "4.5.6" });
  });

  test("is answered when it asks whether we live", async () => {
    const { promise, resolve } = Promise.withResolvers<number>();
    const connection = await rawConnection(({ program, procedure }, { raw }) => {
      if (program === KEEPALIVE_PROGRAM) resolve(procedure);
      const ping = { program: KEEPALIVE_PROGRAM, procedure: KEEPALIVE.ping, type: 2, serial: 0 };
      if (program !== KEEPALIVE_PROGRAM) raw(finishMessage(beginMessage(ping)));
    });
    connection.call("connectGetLibVersion", hyper, testContext()).catch(() => {});
    expect(await promise).toBe(KEEPALIVE.pong);
  });

  test.each<[string, string, Behaviour]>([
    ["hangs up", "LibvirtUnavailable", (_, { hangUp }) => hangUp()],
    ["sends a length of no message", "LibvirtProtocolError", (_, { raw }) => raw(Buffer.alloc(64, 0xff))],
    [
      "speaks HTTP",
      "LibvirtProtocolError",
      (_, { raw }) => raw(Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n")),
    ],
    ["ends its answer too soon", "LibvirtProtocolError", (_, { reply }) => reply((writer) => writer.uint(1))],
  ])("that %s fails every call under way", async (_, code, behave) => {
    const libvirt = await connected(behave);
    const calls = [libvirt.version(testContext()), libvirt.version(testContext())];
    for (const call of calls) await expect(call).rejects.toMatchObject({ code });
  });

  test("that asks for SASL is refused", async () => {
    const uri = await fakeDaemon((_, { reply }) => reply((writer) => writer.uint(1).int(1)));
    await expect(connectLibvirt(uri, testContext())).rejects.toMatchObject({ code: "LibvirtAccessDenied" });
  });

  test("that says nothing does not hold up who gives up", async () => {
    const libvirt = await connected(() => {});
    const controller = new AbortController();
    const call = libvirt.version(testContext({ signal: controller.signal }));
    controller.abort(new Error("enough"));
    await expect(call).rejects.toMatchObject({ code: "Cancelled" });
    const none = libvirt.version(testContext({ signal: AbortSignal.abort() }));
    await expect(none).rejects.toMatchObject({ code: "Cancelled" });
    libvirt[Symbol.dispose]();
    await expect(libvirt.closed).resolves.toBeUndefined();
    await expect(libvirt.version(testContext())).rejects.toMatchObject({ code: "LibvirtUnavailable" });
  });
});

test("the buffer that a passphrase was sent from is wiped", async () => {
  using passphrase = GeneratedPassphrase.create();
  const seen: Buffer[] = [];
  const connection = await rawConnection((_, { reply }) => reply());
  const writing = {
    write: (writer: { opaque(value: Uint8Array): unknown; done(): Buffer }) => {
      passphrase.use((bytes) => writer.opaque(bytes));
      seen.push(writer.done());
    },
    read: () => {},
    secret: true,
  };
  await connection.call("secretSetValue", writing, testContext());
  expect(seen[0]).toHaveLength(28 + 4 + 88);
  await expect.poll(() => seen[0]?.every((byte) => byte === 0)).toBe(true);
});

function answerLater(waiting: (() => void)[]): void {
  setTimeout(() => waiting.shift()?.(), 20);
}
