import { GeneratedPassphrase, type Passphrase } from "@luksmith/luks";
import { expect, test } from "vitest";
import { LuksmithError } from "../errors/luksmith-error.ts";
import type { OpContext } from "../image/op-context.ts";
import type { KeyManager, SecretRef } from "../key-manager/key-manager.ts";
import { silentLogger } from "../log/logger.ts";
import type { AuditEvent } from "./audit-event.ts";
import { auditedKeys } from "./audited-keys.ts";

const INSTANCE = "6a1b2c3d-0000-4000-8000-000000000001";
const NAME = `Ephemeral encryption secret for instance ${INSTANCE} BDM x`;
const holder = { userId: "u", userName: "alice", projectId: "p", projectName: "demo" };
const origin = { via: "command", who: "root (uid 0)", purpose: "start" } as const;
const ctx: OpContext = {
  requestId: "req-1",
  signal: new AbortController().signal,
  log: silentLogger,
  origin,
};

/** Keeps passphrases, and what it gave out. */
class Keys implements KeyManager {
  readonly name = "keys";
  readonly kept = new Set<string>();
  readonly given: Passphrase[] = [];

  create(): Promise<SecretRef> {
    this.kept.add("s1");
    return Promise.resolve({ id: "s1" });
  }

  get({ id }: SecretRef): Promise<Passphrase> {
    if (!this.kept.has(id)) return Promise.reject(new LuksmithError("PermissionDenied", "no"));
    const passphrase = GeneratedPassphrase.create();
    this.given.push(passphrase);
    return Promise.resolve(passphrase);
  }

  delete({ id }: SecretRef): Promise<void> {
    this.kept.delete(id);
    return Promise.resolve();
  }

  caller(): Promise<typeof holder> {
    return Promise.resolve(holder);
  }
}

function audited(append: (...events: readonly AuditEvent[]) => Promise<void>) {
  const inner = new Keys();
  const subjectOf = (id: string) =>
    id === "s1" ? { instance: INSTANCE, disk: { uuid: "d1", name: "disk" } } : undefined;
  return { inner, keys: auditedKeys(inner, { append, subjectOf }) };
}

const request = (passphrase: GeneratedPassphrase) => ({
  name: NAME,
  passphrase,
  consumer: { resourceType: "disk", resourceId: "d1" } as const,
});

test("each use of a secret is told with who, whose token, for what and how it ended", async () => {
  const events: AuditEvent[] = [];
  const { keys } = audited(async (...more) => void events.push(...more));
  using passphrase = GeneratedPassphrase.create();
  await keys.create(request(passphrase), ctx);
  using _given = await keys.get({ id: "s1" }, ctx);
  await keys.delete({ id: "s1" }, ctx);
  await expect(keys.get({ id: "s2" }, ctx)).rejects.toMatchObject({ code: "PermissionDenied" });
  expect(events.map(({ event, outcome, secret }) => [event, outcome, secret])).toEqual([
    ["key.created", "ok", "s1"],
    ["key.read", "ok", "s1"],
    ["key.deleted", "ok", "s1"],
    ["key.read", "PermissionDenied", "s2"],
  ]);
  const common = { request: "req-1", origin, token: holder };
  for (const event of events) expect(event).toMatchObject(common);
  expect(events[1]).toMatchObject({ instance: INSTANCE, disk: { uuid: "d1", name: "disk" } });
  passphrase.use((bytes) => expect(JSON.stringify(events)).not.toContain(Buffer.from(bytes).toString()));
});

test("what cannot be told is not given, and what was made is taken back", async () => {
  const { inner, keys } = audited(() => Promise.reject(new LuksmithError("AuditLogUnwritable", "full")));
  using passphrase = GeneratedPassphrase.create();
  await expect(keys.create(request(passphrase), ctx)).rejects.toMatchObject({ code: "AuditLogUnwritable" });
  expect(inner.kept.size).toBe(0);
  inner.kept.add("s1");
  await expect(keys.get({ id: "s1" }, ctx)).rejects.toMatchObject({ code: "AuditLogUnwritable" });
  expect(() => inner.given.at(0)!.use((bytes) => bytes)).toThrow();
  // What went wrong by itself is still the error to tell.
  await expect(keys.get({ id: "s2" }, ctx)).rejects.toMatchObject({ code: "PermissionDenied" });
});

test("a token whose user cannot be asked for is unknown, none is none", async () => {
  const events: AuditEvent[] = [];
  const { inner, keys } = audited(async (...more) => void events.push(...more));
  inner.kept.add("s1");
  inner.caller = () => Promise.reject(new LuksmithError("IdentityUnavailable", "away"));
  using _first = await keys.get({ id: "s1" }, ctx);
  const userToken = { current: () => Promise.reject(new Error("not asked")), renew: async () => undefined };
  using _second = await keys.get({ id: "s1" }, { ...ctx, userToken });
  expect(events.map(({ token }) => token)).toEqual([undefined, "unknown"]);
});
