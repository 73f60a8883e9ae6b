import { readdirSync } from "node:fs";
import { join } from "node:path";
import { type OpContext, silentLogger } from "@luksmith/core";
import { GuestSecrets } from "@luksmith/libvirt";
import { LocalKeyManager } from "@luksmith/keymgr-local";
import { connectLibvirt } from "@luksmith/libvirt/client";
import type { LibvirtEnv } from "@luksmith/testing-services";
import { TemporaryHost } from "../temporary-host.ts";
import { call, type Reply, socketOf } from "./running-daemon.ts";

export interface GuestHostOptions {
  /** Of `[luksmith]`. */
  readonly lines?: readonly string[];
  readonly keys?: string;
  /** Seconds that libvirt may take to answer. */
  readonly timeout?: number;
}

/** A host whose daemon runs guests under this libvirt. */
export async function guestHost(env: LibvirtEnv, options: GuestHostOptions = {}): Promise<TemporaryHost> {
  const host = await TemporaryHost.create();
  await configure(host, env, options);
  return host;
}

export async function configure(
  host: TemporaryHost,
  env: LibvirtEnv,
  { lines = [], keys = "@luksmith/keymgr-local", timeout = 30 }: GuestHostOptions = {},
): Promise<void> {
  const plugins = `plugins = @luksmith/backend-raw, ${keys}, @luksmith/libvirt/plugin`;
  const libvirt = ["[libvirt]", `connection_uri = ${env.uri}`, "[luksmith:libvirt]", `timeout = ${timeout}`];
  await host.configure(plugins, `socket = ${socketOf(host)}`, ...lines, ...libvirt);
}

/** A request for a small guest that boots nothing. */
export function smallGuest(host: TemporaryHost): ReturnType<TemporaryHost["request"]> {
  return host.request({ disk: 0, ephemeral: 0, swap: 4 });
}

/** The name that its domain has. */
export function domainName(uuid: string): string {
  return `instance-${uuid}`;
}

export function ask<T>(host: TemporaryHost, method: string, path: string, body?: unknown): Promise<Reply<T>> {
  return call<T>(socketOf(host), method, path, body === undefined ? {} : { body });
}

function context(): OpContext {
  return { requestId: "req-test", signal: AbortSignal.timeout(20_000), log: silentLogger };
}

/** What libvirt has: guests with their states, and how many keys. */
export async function libvirtHas(
  env: LibvirtEnv,
): Promise<{ readonly guests: Readonly<Record<string, string>>; readonly keys: number }> {
  const ctx = context();
  using libvirt = await connectLibvirt(env.uri, ctx);
  const domains = await libvirt.domains.list(ctx);
  const states = await Promise.all(
    domains.map(async ({ uuid }) => [uuid, await libvirt.domains.state(uuid, ctx)] as const),
  );
  return {
    guests: Object.fromEntries(states),
    keys: (await new GuestSecrets(libvirt.secrets).list(ctx)).length,
  };
}

/** As if the guest had shut itself down. */
export async function powerOff(env: LibvirtEnv, uuid: string): Promise<void> {
  using libvirt = await connectLibvirt(env.uri, context());
  await libvirt.domains.destroy(uuid, context());
}

function keysOf({ path }: TemporaryHost): LocalKeyManager {
  const statePath = join(path, "state");
  const keyFile = join(statePath, "key-encryption-key");
  return new LocalKeyManager({ statePath, keyFile, credentialsDirectory: undefined });
}

/** Takes a passphrase out of the key manager; no daemon runs. */
export async function forgetSecret(host: TemporaryHost, id: string): Promise<void> {
  const keys = keysOf(host);
  await keys.delete({ id }, context());
  await keys.close();
}

/** A passphrase, read beside the daemon, which does not hear of it. */
export async function passphraseOf(host: TemporaryHost, id: string): Promise<string> {
  const keys = keysOf(host);
  using passphrase = await keys.get({ id }, context());
  await keys.close();
  return passphrase.use((bytes) => Buffer.from(bytes).toString("latin1"));
}

/** Ids of all passphrases; no daemon runs. */
export async function storedSecrets(host: TemporaryHost): Promise<readonly string[]> {
  const keys = keysOf(host);
  const ids: string[] = [];
  for await (const { id } of keys.list({}, context())) ids.push(id);
  await keys.close();
  return ids;
}

export function instanceFiles(host: TemporaryHost): readonly string[] {
  return readdirSync(join(host.path, "instances"));
}
