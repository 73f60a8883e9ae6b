import { randomUUID } from "node:crypto";
import {
  cancelledError,
  type CreateSecret,
  type KeyManager,
  LuksmithError,
  type OpContext,
  Passphrase,
  type SecretFilter,
  type SecretInfo,
  type SecretRef,
} from "@luksmith/core";
import { describe, expect, test } from "vitest";
import { brokenBy, checkRule } from "../suite/rule.ts";
import { InMemoryKeyManager } from "./in-memory-key-manager.ts";
import type { KeyManagerFixture } from "./key-manager-fixture.ts";
import { KEY_MANAGER_RULES } from "./key-manager-rules.ts";
import { PerProjectKeyManager } from "./per-project-key-manager.ts";

type Method = "create" | "get" | "delete" | "list";

/** An in-memory key manager with some methods replaced by broken ones. */
function broken(change: (whole: InMemoryKeyManager) => Partial<Pick<KeyManager, Method>>): KeyManager {
  const whole = new InMemoryKeyManager();
  return { ...withoutList(whole), list: (filter, ctx) => whole.list(filter, ctx), ...change(whole) };
}

function withoutList(whole: InMemoryKeyManager): KeyManager {
  return {
    name: "broken",
    create: (request, ctx) => whole.create(request, ctx),
    get: (ref, ctx) => whole.get(ref, ctx),
    delete: (ref, ctx) => whole.delete(ref, ctx),
  };
}

function fixtureOf(keyManager: KeyManager, rest: Partial<KeyManagerFixture> = {}): KeyManagerFixture {
  return { keyManager, capabilities: { list: true }, [Symbol.asyncDispose]: async () => {}, ...rest };
}

function textOf(passphrase: Passphrase): string {
  return passphrase.use((bytes) => Buffer.from(bytes).toString("latin1"));
}

/** What third parties get wrong, and the rule that must notice. */
const FAULTS: readonly (readonly [rule: string, fault: string, fixture: () => KeyManagerFixture])[] = [
  [
    "KM-1",
    "appends a newline",
    () =>
      fixtureOf(
        broken((whole) => ({
          get: async (ref, ctx) => new Passphrase(Buffer.from(`${textOf(await whole.get(ref, ctx))}\n`)),
        })),
      ),
  ],
  [
    "KM-1",
    "decodes base64",
    () =>
      fixtureOf(
        broken((whole) => ({
          get: async (ref, ctx) => new Passphrase(Buffer.from(textOf(await whole.get(ref, ctx)), "base64")),
        })),
      ),
  ],
  ["KM-2", "takes the name for the id", () => fixtureOf(new ByName())],
  [
    "KM-3",
    "gives another error for absent",
    () => fixtureOf(broken((whole) => ({ get: withError(whole, "IoError") }))),
  ],
  [
    "KM-3",
    "does not name the id",
    () => fixtureOf(broken((whole) => ({ get: withError(whole, "EphemeralEncryptionSecretNotFound") }))),
  ],
  ["KM-4", "deletes nothing", () => fixtureOf(broken(() => ({ delete: async () => {} })))],
  [
    "KM-4",
    "deletes by name",
    () =>
      fixtureOf(
        broken((whole) => ({
          async delete(ref, ctx) {
            const all: SecretInfo[] = [];
            for await (const info of whole.list({}, ctx)) all.push(info);
            const name = all.find(({ id }) => id === ref.id)?.name;
            for (const info of all) if (info.name === name) await whole.delete(info, ctx);
          },
        })),
      ),
  ],
  [
    "KM-5",
    "fails to delete what is gone",
    () =>
      fixtureOf(
        broken((whole) => ({
          async delete(ref, ctx) {
            (await whole.get(ref, ctx))[Symbol.dispose]();
            await whole.delete(ref, ctx);
          },
        })),
      ),
  ],
  [
    "KM-6",
    "forgets",
    () => fixtureOf(new InMemoryKeyManager(), { reopen: async () => new InMemoryKeyManager() }),
  ],
  ["KM-7", "mixes up concurrent calls", () => fixtureOf(new MixedUp())],
  [
    "KM-8",
    "creates although cancelled",
    () =>
      fixtureOf(
        broken((whole) => ({
          async create(request, ctx) {
            const ref = await whole.create(request, deaf(ctx));
            if (ctx.signal.aborted) throw cancelledError(ctx.signal.reason);
            return ref;
          },
        })),
      ),
  ],
  [
    "KM-8",
    "deletes although cancelled",
    () => fixtureOf(broken((whole) => ({ delete: (ref, ctx) => whole.delete(ref, deaf(ctx)) }))),
  ],
  [
    "KM-8",
    "gets although cancelled",
    () => fixtureOf(broken((whole) => ({ get: (ref, ctx) => whole.get(ref, deaf(ctx)) }))),
  ],
  [
    "KM-8",
    "lists although cancelled",
    () => fixtureOf(broken((whole) => ({ list: (filter, ctx) => whole.list(filter, deaf(ctx)) }))),
  ],
  ["KM-9", "has no list", () => fixtureOf(withoutList(new InMemoryKeyManager()))],
  ["KM-9", "hides its list", () => fixtureOf(new InMemoryKeyManager(), { capabilities: { list: false } })],
  ["KM-10", "lists by prefix", () => fixtureOf(listing(({ name }, wanted) => name.startsWith(wanted)))],
  [
    "KM-10",
    "folds case",
    () => fixtureOf(listing(({ name }, wanted) => name.toLowerCase() === wanted.toLowerCase())),
  ],
  ["KM-10", "trims", () => fixtureOf(listing(({ name }, wanted) => name.trim() === wanted.trim()))],
  ["KM-10", "ignores the name", () => fixtureOf(listing(() => true))],
  ["KM-11", "lists one page", () => fixtureOf(changing((all) => all.slice(0, 10)))],
  ["KM-11", "lists twice", () => fixtureOf(changing((all) => [...all, ...all]))],
  [
    "KM-11",
    "invents a time",
    () =>
      fixtureOf(
        changing((all) => all.map(({ id, name }) => ({ id, name, createdAt: "1970-01-01T00:00:00Z" }))),
      ),
  ],
  ["KM-12", "lists the deleted", () => fixtureOf(new Remembering())],
  [
    "KM-13",
    "wipes the caller's passphrase",
    () =>
      fixtureOf(
        broken((whole) => ({
          async create(request, ctx) {
            const ref = await whole.create(request, ctx);
            request.passphrase.use((bytes) => bytes.fill(0));
            return ref;
          },
        })),
      ),
  ],
  ["KM-14", "hands out one object", () => fixtureOf(new Sharing())],
  [
    "KM-15",
    "logs the payload",
    () =>
      fixtureOf(
        broken((whole) => ({
          create(request, ctx) {
            ctx.log.debug({ body: { payload: Buffer.from(textOf(request.passphrase)) } }, "sent");
            return whole.create(request, ctx);
          },
        })),
      ),
  ],
  [
    "KM-16",
    "puts the request into errors",
    () =>
      fixtureOf(
        broken((whole) => ({
          create(request, ctx) {
            const cause = { config: { data: JSON.stringify({ payload: textOf(request.passphrase) }) } };
            if (ctx.signal.aborted) throw new LuksmithError("Cancelled", "stopped", { cause });
            return whole.create(request, ctx);
          },
        })),
      ),
  ],
  ["KM-17", "stores base64 of it", () => storing("base64")],
  ["KM-17", "stores it as it is", () => storing("latin1")],
  ["KM-17", "shows no storage", () => fixtureOf(new InMemoryKeyManager(), { rawStorage: async () => [] })],
  [
    "KM-18",
    "has a scope and declares none",
    () => ({ ...new PerProjectKeyManager().fixture(), capabilities: { list: true } }),
  ],
  [
    "KM-18",
    "declares users and has no scope",
    () => fixtureOf(new InMemoryKeyManager(), { capabilities: { list: true, users: true } }),
  ],
  ["KM-18", "says that all are one", () => new OneScope().fixture()],
  ["KM-19", "serves nobody", () => new Hospitable().fixture()],
  ["KM-20", "says absent for denied", () => new Denying().fixture()],
  ["KM-20", "lets strangers in", () => new Open().fixture()],
  ["KM-21", "sends again what it did not look for", () => new Resending().fixture()],
  ["KM-21", "fails when an answer is lost", () => new Fragile().fixture()],
  ["KM-22", "says absent while it is away", () => new Away().fixture()],
  ["KM-22", "stores while it is away", () => new Late().fixture()],
  ["KM-23", "gives back what somebody has changed", () => new Trusting().fixture()],
  ["KM-24", "says absent for refused", () => answering("refusing", "EphemeralEncryptionSecretNotFound")],
  ["KM-24", "says away for refused", () => answering("refusing", "KeyManagerUnavailable")],
  [
    "KM-25",
    "takes a proxy's page for absence",
    () => answering("garbling", "EphemeralEncryptionSecretNotFound"),
  ],
  ["KM-25", "takes a proxy's page for a bug", () => answering("garbling", "InternalError")],
  ["KM-25", "takes a proxy's page for an answer", () => answering("garbling", undefined)],
  ["KM-26", "waits although cancelled", () => new Waiting().fixture()],
];

describe("the key manager suite", () => {
  test("numbers its rules in order", () => {
    expect(KEY_MANAGER_RULES.map(({ id }) => id)).toEqual(
      KEY_MANAGER_RULES.map((_, index) => `KM-${index + 1}`),
    );
  });

  test.each(FAULTS)("%s notices a key manager that %s", async (id, _, fixture) => {
    const rule = KEY_MANAGER_RULES.find((candidate) => candidate.id === id);
    const made = fixture();
    if (!rule) throw new Error(`there is no rule ${id}`);
    expect(rule.needs?.(made)).toBeUndefined();
    await expect(checkRule(rule, made)).rejects.toThrow(brokenBy(rule));
  });

  test("has a fault for every rule", () => {
    expect(new Set(FAULTS.map(([id]) => id))).toEqual(new Set(KEY_MANAGER_RULES.map(({ id }) => id)));
  });
});

class ByName extends InMemoryKeyManager {
  override async create(request: CreateSecret, ctx: OpContext): Promise<SecretRef> {
    await super.create(request, ctx);
    return { id: request.name };
  }
}

class MixedUp extends InMemoryKeyManager {
  #last?: CreateSecret;

  override async create(request: CreateSecret, ctx: OpContext): Promise<SecretRef> {
    this.#last = request;
    await Promise.resolve();
    return await super.create(this.#last, ctx);
  }
}

class Remembering extends InMemoryKeyManager {
  readonly #all: SecretInfo[] = [];

  override async create(request: CreateSecret, ctx: OpContext): Promise<SecretRef> {
    const ref = await super.create(request, ctx);
    this.#all.push({ ...ref, name: request.name, createdAt: new Date().toISOString() });
    return ref;
  }

  override async *list(filter: SecretFilter): AsyncIterable<SecretInfo> {
    yield* this.#all.filter(({ name }) => name === filter.name);
  }
}

class Sharing extends InMemoryKeyManager {
  readonly #given = new Map<string, Passphrase>();

  override async get(ref: SecretRef, ctx: OpContext): Promise<Passphrase> {
    const given = this.#given.get(ref.id) ?? (await super.get(ref, ctx));
    this.#given.set(ref.id, given);
    return given;
  }
}

function withError(
  whole: InMemoryKeyManager,
  code: "IoError" | "EphemeralEncryptionSecretNotFound",
): KeyManager["get"] {
  return async (ref, ctx) => {
    try {
      return await whole.get(ref, ctx);
    } catch (error) {
      throw new LuksmithError(code, "it is not there", { cause: error });
    }
  };
}

/** A context whose signal never comes. */
function deaf(ctx: OpContext): OpContext {
  return { ...ctx, signal: new AbortController().signal };
}

function listing(matches: (info: SecretInfo, wanted: string) => boolean): KeyManager {
  return broken((whole) => ({
    async *list({ name }, ctx) {
      for await (const info of whole.list({}, ctx)) if (name === undefined || matches(info, name)) yield info;
    },
  }));
}

function changing(change: (all: readonly SecretInfo[]) => readonly SecretInfo[]): KeyManager {
  return broken((whole) => ({
    async *list(filter, ctx) {
      const all: SecretInfo[] = [];
      for await (const info of whole.list(filter, ctx)) all.push(info);
      yield* change(all);
    },
  }));
}

function storing(encoding: "base64" | "latin1"): KeyManagerFixture {
  const stored: Buffer[] = [];
  const keyManager = broken((whole) => ({
    create(request, ctx) {
      const text = request.passphrase.use((bytes) => Buffer.from(bytes).toString(encoding));
      stored.push(Buffer.from(`{"id":"${randomUUID()}","payload":"${text}"}`));
      return whole.create(request, ctx);
    },
  }));
  return fixtureOf(keyManager, { rawStorage: async () => stored });
}

class OneScope extends PerProjectKeyManager {
  override async scope(): Promise<string> {
    return "everybody";
  }
}

class Hospitable extends PerProjectKeyManager {
  protected override projectOf(ctx: OpContext): string {
    return ctx.userToken === undefined ? "ours" : super.projectOf(ctx);
  }
}

class Denying extends PerProjectKeyManager {
  override async get(ref: SecretRef, ctx: OpContext): Promise<Passphrase> {
    try {
      return await super.get(ref, ctx);
    } catch (error) {
      throw new LuksmithError("EphemeralEncryptionSecretNotFound", `no ${ref.id}`, { cause: error });
    }
  }
}

class Open extends PerProjectKeyManager {
  override async get(ref: SecretRef, ctx: OpContext): Promise<Passphrase> {
    return await super.get(ref, ctx).catch(() => super.get(ref, this.context("ours")));
  }
}

class Resending extends PerProjectKeyManager {
  protected override async answerLost(
    request: CreateSecret,
    _: SecretRef,
    ctx: OpContext,
  ): Promise<SecretRef> {
    return await this.create(request, ctx);
  }
}

class Fragile extends PerProjectKeyManager {
  protected override async answerLost(): Promise<SecretRef> {
    throw new LuksmithError("KeyManagerUnavailable", "the answer was lost");
  }
}

class Away extends PerProjectKeyManager {
  override async get(ref: SecretRef, ctx: OpContext): Promise<Passphrase> {
    if (this.fault !== "away") return await super.get(ref, ctx);
    throw new LuksmithError("EphemeralEncryptionSecretNotFound", `no ${ref.id}`);
  }
}

class Late extends PerProjectKeyManager {
  override async create(request: CreateSecret, ctx: OpContext): Promise<SecretRef> {
    const { fault } = this;
    this.fault = "none";
    await super.create(request, ctx);
    this.fault = fault;
    return await super.create(request, ctx);
  }
}

class Trusting extends PerProjectKeyManager {
  override readonly altered = new Set<string>();

  override async get(ref: SecretRef, ctx: OpContext): Promise<Passphrase> {
    this.altered.delete(ref.id);
    return await super.get(ref, ctx);
  }
}

/** One that makes this error of such an answer. */
function answering(
  fault: PerProjectKeyManager["fault"],
  code: "EphemeralEncryptionSecretNotFound" | "KeyManagerUnavailable" | "InternalError" | undefined,
): KeyManagerFixture {
  class Answering extends PerProjectKeyManager {
    protected override async requireAnswer(ctx: OpContext): Promise<void> {
      if (this.fault !== fault) return await super.requireAnswer(ctx);
      if (code) throw new LuksmithError(code, "so it seems");
    }
  }
  return new Answering().fixture();
}

class Waiting extends PerProjectKeyManager {
  protected override async requireAnswer(ctx: OpContext): Promise<void> {
    await super.requireAnswer(this.fault === "stalled" ? deaf(ctx) : ctx);
  }
}
