import {
  type CreateSecret,
  givenToken,
  type KeyManager,
  LuksmithError,
  type OpContext,
  Passphrase,
  type SecretFilter,
  type SecretInfo,
  type SecretRef,
  throwIfCancelled,
  type TokenSource,
} from "@luksmith/core";
import { testContext, type TestContext } from "../test-context.ts";
import { InMemoryKeyManager } from "./in-memory-key-manager.ts";
import type { KeyManagerFixture } from "./key-manager-fixture.ts";

/** A key manager as Barbican is one, for tests of the suite: each project has its secrets, answers get lost. */
export class PerProjectKeyManager implements KeyManager {
  readonly name: string = "per-project";
  readonly projects = new Map<string, InMemoryKeyManager>();
  readonly #tokens = new WeakMap<TokenSource, string>();
  /** What happens to requests. */
  fault: "none" | "lose-answer" | "away" | "refusing" | "garbling" | "stalled" = "none";
  /** Secrets that somebody has changed. */
  readonly altered = new Set<string>();

  /** A caller of this project. */
  context(project: string, overrides: Partial<OpContext> = {}): TestContext {
    const token = givenToken(new Passphrase(Buffer.from(`token of ${project}`)));
    this.#tokens.set(token, project);
    return testContext({ userToken: token, ...overrides });
  }

  fixture(): KeyManagerFixture {
    return {
      keyManager: this,
      capabilities: { list: true, users: true },
      context: (overrides) => this.context("ours", overrides),
      stranger: () => this.context("theirs"),
      loseAnswer: () => (this.fault = "lose-answer"),
      unplug: () => this.#during("away"),
      refuse: () => this.#during("refusing"),
      garble: () => this.#during("garbling"),
      stall: () => this.#during("stalled"),
      alter: async (id) => void this.altered.add(id),
      [Symbol.asyncDispose]: async () => {
        for (const project of this.projects.values()) await project.close();
      },
    };
  }

  async create(request: CreateSecret, ctx: OpContext): Promise<SecretRef> {
    await this.requireAnswer(ctx);
    const project = this.#project(ctx);
    const ref = await project.create(request, ctx);
    if (this.fault !== "lose-answer") return ref;
    this.fault = "none";
    return await this.answerLost(request, ref, ctx);
  }

  async get(ref: SecretRef, ctx: OpContext): Promise<Passphrase> {
    await this.requireAnswer(ctx);
    await this.#requireOwn(ref, ctx);
    if (this.altered.has(ref.id)) throw new LuksmithError("SecretTampered", `${ref.id} was changed`);
    return await this.#project(ctx).get(ref, ctx);
  }

  async delete(ref: SecretRef, ctx: OpContext): Promise<void> {
    await this.requireAnswer(ctx);
    await this.#requireOwn(ref, ctx);
    await this.#project(ctx).delete(ref, ctx);
  }

  async *list(filter: SecretFilter, ctx: OpContext): AsyncIterable<SecretInfo> {
    await this.requireAnswer(ctx);
    yield* this.#project(ctx).list(filter, ctx);
  }

  async scope(ctx: OpContext): Promise<string | undefined> {
    return this.projectOf(ctx);
  }

  /** What it makes of what the service answers instead. */
  protected async requireAnswer(ctx: OpContext): Promise<void> {
    throwIfCancelled(ctx);
    if (this.fault === "refusing") throw new LuksmithError("PermissionDenied", "the service refuses");
    if (this.fault === "garbling") throw new LuksmithError("KeyManagerUnavailable", "that is no answer");
    if (this.fault !== "stalled") return;
    await new Promise((resolve) => {
      ctx.signal.addEventListener("abort", resolve, { once: true });
    });
    throwIfCancelled(ctx);
  }

  #during(fault: typeof this.fault): Disposable {
    this.fault = fault;
    return { [Symbol.dispose]: () => (this.fault = "none") };
  }

  /** What `create` does when it does not learn the id. */
  protected async answerLost(request: CreateSecret, _ref: SecretRef, ctx: OpContext): Promise<SecretRef> {
    for await (const { id } of this.list({ name: request.name }, ctx)) return { id };
    throw new Error("it was stored");
  }

  protected projectOf(ctx: OpContext): string {
    const project = ctx.userToken && this.#tokens.get(ctx.userToken);
    if (project === undefined) throw new LuksmithError("TokenMissing", "nobody asks");
    return project;
  }

  #project(ctx: OpContext): InMemoryKeyManager {
    const project = this.projectOf(ctx);
    if (this.fault === "away") throw new LuksmithError("KeyManagerUnavailable", "nobody answers");
    const known = this.projects.get(project) ?? new InMemoryKeyManager();
    this.projects.set(project, known);
    return known;
  }

  async #requireOwn({ id }: SecretRef, ctx: OpContext): Promise<void> {
    const own = this.#project(ctx);
    for (const project of this.projects.values()) {
      if (project === own) continue;
      for await (const info of project.list({}, ctx)) {
        if (info.id === id) throw new LuksmithError("PermissionDenied", `${id} is another project's`);
      }
    }
  }
}
