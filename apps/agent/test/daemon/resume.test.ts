import { join } from "node:path";
import { type OwnLibvirt, rebootHost, startLibvirt } from "@luksmith/testing-services";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { SpawnedDocument } from "../../src/actions/spawned-document.ts";
import type { TemporaryHost } from "../temporary-host.ts";
import {
  ask,
  configure,
  domainName,
  guestHost,
  type GuestHostOptions,
  forgetSecret,
  libvirtHas,
  powerOff,
  smallGuest,
} from "./guest-daemon.ts";
import { Daemon } from "./running-daemon.ts";

let env: OwnLibvirt;
beforeAll(async () => void (env = await startLibvirt()), 60_000);
afterAll(() => env[Symbol.asyncDispose]());

interface Ready {
  readonly ready: boolean;
  readonly resuming: number;
  readonly waiting: number;
}

async function newHost(options?: GuestHostOptions): Promise<TemporaryHost> {
  const host = await guestHost(env, options);
  onTestFinished(async () => {
    // What a failed test leaves.
    for (const uuid of Object.keys((await libvirtHas(env)).guests)) await host.run(["delete", uuid]);
    await host[Symbol.asyncDispose]();
  });
  return host;
}

/** Guests, made by a daemon that then stops; the last one is off. */
async function spawned(host: TemporaryHost, count: number): Promise<SpawnedDocument[]> {
  await using daemon = await Daemon.start(host);
  const made: SpawnedDocument[] = [];
  for (let i = 0; i < count; i++) {
    const body = { request: smallGuest(host), start: i < count - 1 };
    const { status, json } = await daemon.call<SpawnedDocument>("POST", "/v1/guests", { body });
    expect(status).toBe(201);
    made.push(json);
  }
  return made;
}

const ready = async (host: TemporaryHost) => (await ask<Ready>(host, "GET", "/readyz")).json;
const names = (guests: readonly SpawnedDocument[]) => guests.map(({ uuid }) => domainName(uuid));
const statesOf = async (guests: readonly SpawnedDocument[]) => {
  const { guests: states } = await libvirtHas(env);
  return guests.map(({ uuid }) => states[uuid]);
};

describe("a daemon that starts after a reboot of the host", { timeout: 60_000 }, () => {
  test("waits for libvirt, brings back what should run, and what fails keeps nobody else", async () => {
    const host = await newHost();
    const guests = await spawned(host, 4);
    const lost = guests.at(0)!.disks.at(0)!.encryption_secret_uuid;
    await rebootHost(env, names(guests), { start: false });
    // The passphrase of one is gone from the key manager.
    await forgetSecret(host, lost!);
    await using daemon = await Daemon.start(host);
    expect(await ready(host)).toMatchObject({ ready: true, resuming: 3, waiting: 0 });
    expect((await ask(host, "GET", "/metrics")).text).toContain("luksmith_guests_resuming 3");
    await env.start();
    await expect.poll(() => ready(host), { timeout: 20_000 }).toMatchObject({ resuming: 0 });
    expect(await statesOf(guests)).toEqual(["off", "running", "running", "off"]);
    expect(daemon.io.err).toMatch(/guest not resumed/);
    expect(daemon.io.err).toContain(lost);

    // libvirt forgets keys when it restarts; nobody has to ask for them.
    const { keys } = await libvirtHas(env);
    await env.restart();
    expect((await libvirtHas(env)).keys).toBeLessThan(keys);
    await expect.poll(async () => (await libvirtHas(env)).keys, { timeout: 20_000 }).toBe(4);
    // A guest that ends while the daemon runs stays off.
    await powerOff(env, guests.at(1)!.uuid);
    await env.restart();
    await expect.poll(async () => (await libvirtHas(env)).keys, { timeout: 20_000 }).toBe(2);
    expect(await statesOf(guests)).toEqual(["off", "off", "running", "off"]);
  });

  test("leaves them off where resume_guests_on_start is off, and gives keys to those that run", async () => {
    const host = await newHost({ lines: ["resume_guests_on_start = false"] });
    const guests = await spawned(host, 3);
    await powerOff(env, guests.at(0)!.uuid);
    await env.restart();
    expect(await libvirtHas(env)).toMatchObject({ keys: 0 });
    await using _daemon = await Daemon.start(host);
    await expect.poll(async () => (await libvirtHas(env)).keys, { timeout: 20_000 }).toBe(2);
    expect(await statesOf(guests)).toEqual(["off", "running", "off"]);
    expect(await ready(host)).toMatchObject({ resuming: 0 });
  });

  test("says which guests wait for a token; a start with one brings them back", async () => {
    const host = await newHost();
    const guests = await spawned(host, 2);
    await configure(host, env, { keys: join(import.meta.dirname, "token-keys.ts") });
    await rebootHost(env, names(guests));
    await using daemon = await Daemon.start(host);
    await expect.poll(() => ready(host), { timeout: 20_000 }).toMatchObject({ resuming: 0, waiting: 1 });
    expect(await statesOf(guests)).toEqual(["off", "off"]);
    expect(daemon.io.err).toMatch(/guest waits for somebody/);
    const [{ uuid }] = guests as [SpawnedDocument];
    const headers = { "x-auth-token": "a-token" };
    const started = await daemon.call("POST", `/v1/guests/${uuid}/start`, { headers });
    expect([started.status, started.text]).toEqual([200, expect.any(String)]);
    await expect.poll(() => ready(host), { timeout: 20_000 }).toMatchObject({ resuming: 0, waiting: 0 });
    expect(await statesOf(guests)).toEqual(["running", "off"]);
  });
});
