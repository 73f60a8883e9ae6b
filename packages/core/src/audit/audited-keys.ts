import { isLuksmithError } from "../errors/luksmith-error.ts";
import type { OpContext } from "../image/op-context.ts";
import type { CreateSecret, KeyManager, SecretRef } from "../key-manager/key-manager.ts";
import type { AuditedDisk, AuditEvent, TokenHolder } from "./audit-event.ts";

/** What a secret is for, as the inventory knows it. */
export interface SecretSubject {
  readonly instance: string;
  readonly disk: AuditedDisk;
}

/** What the decorator needs of the audit log. */
export interface KeyAudit {
  /** Durable when it resolves. @throws `AuditLogUnwritable` */
  append(...events: readonly AuditEvent[]): Promise<void>;
  subjectOf(secretId: string): SecretSubject | undefined;
}

/**
 * The same key manager, each use of a secret told to the audit log. A passphrase is given only once the log has that: what
 * cannot be told does not happen, or is taken back.
 */
export function auditedKeys(keys: KeyManager, audit: KeyAudit): KeyManager {
  return new AuditedKeys(keys, audit);
}

class AuditedKeys implements KeyManager {
  readonly list?: NonNullable<KeyManager["list"]>;
  readonly scope?: NonNullable<KeyManager["scope"]>;
  readonly caller?: NonNullable<KeyManager["caller"]>;
  readonly #keys: KeyManager;
  readonly #audit: KeyAudit;

  constructor(keys: KeyManager, audit: KeyAudit) {
    this.#keys = keys;
    this.#audit = audit;
    if (keys.list) this.list = keys.list.bind(keys);
    if (keys.scope) this.scope = keys.scope.bind(keys);
    if (keys.caller) this.caller = keys.caller.bind(keys);
  }

  get name(): string {
    return this.#keys.name;
  }

  async create(request: CreateSecret, ctx: OpContext): Promise<SecretRef> {
    const what = { event: "key.created", details: { name: request.name }, ...subjectOf(request) };
    const ref = await this.#failing(what, ctx, this.#keys.create(request, ctx));
    try {
      await this.#tell({ ...what, outcome: "ok", secret: ref.id }, ctx);
      return ref;
    } catch (error) {
      // Whoever called has no reference to undo by.
      await this.#keys
        .delete(ref, ctx)
        .catch((second: unknown) =>
          ctx.log.error(
            { secretId: ref.id, err: second },
            "could not delete a secret that could not be audited",
          ),
        );
      throw error;
    }
  }

  async get(ref: SecretRef, ctx: OpContext): Promise<Awaited<ReturnType<KeyManager["get"]>>> {
    const what = { event: "key.read", secret: ref.id };
    const passphrase = await this.#failing(what, ctx, this.#keys.get(ref, ctx));
    try {
      await this.#tell({ ...what, outcome: "ok" }, ctx);
      return passphrase;
    } catch (error) {
      passphrase[Symbol.dispose]();
      throw error;
    }
  }

  async delete(ref: SecretRef, ctx: OpContext): Promise<void> {
    const what = { event: "key.deleted", secret: ref.id };
    await this.#failing(what, ctx, this.#keys.delete(ref, ctx));
    await this.#tell({ ...what, outcome: "ok" }, ctx);
  }

  async #failing<T>(what: Omit<AuditEvent, "outcome">, ctx: OpContext, work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      const outcome = isLuksmithError(error) ? error.code : "InternalError";
      await this.#tell({ ...what, outcome }, ctx).catch((second: unknown) =>
        ctx.log.error({ secretId: what.secret, err: second }, "could not audit a failed use of a secret"),
      );
      throw error;
    }
  }

  async #tell(event: AuditEvent, ctx: OpContext): Promise<void> {
    const { requestId: request, origin } = ctx;
    const subject = event.secret === undefined ? undefined : this.#audit.subjectOf(event.secret);
    const token = await this.#holder(ctx);
    await this.#audit.append({ ...event, request, origin, token, ...subject });
  }

  async #holder(ctx: OpContext): Promise<TokenHolder | "unknown" | undefined> {
    if (!this.#keys.caller) return undefined;
    return await this.#keys.caller(ctx).catch(() => (ctx.userToken ? "unknown" : undefined));
  }
}

function subjectOf({ name, consumer }: CreateSecret): Pick<AuditEvent, "instance" | "disk"> {
  const [, instance] = /^Ephemeral encryption secret for instance (\S+)/.exec(name) ?? [];
  const disk = consumer && { uuid: consumer.resourceId, name: consumer.resourceType };
  return { ...(instance ? { instance } : {}), ...(disk ? { disk } : {}) };
}
