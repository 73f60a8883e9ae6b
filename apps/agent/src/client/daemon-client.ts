import { lstatSync } from "node:fs";
import { errorFromJson, type HostConfig, LuksmithError, type OpContext } from "@luksmith/core/host";
import type { DaemonRequest } from "../actions/action.ts";
import type { HostDocument, TaskDocument } from "../daemon/schemas/index.ts";
import { away, nobodyListens, readAll, send } from "./http.ts";
import { serverEvents } from "./server-events.ts";

/** Ms that a daemon has to say who it is. */
const HELLO_MS = 10_000;

/** The daemon of this host, as a command uses it. */
export class DaemonClient {
  readonly #socket: string;
  readonly #host: HostDocument;

  private constructor(socket: string, host: HostDocument) {
    this.#socket = socket;
    this.#host = host;
  }

  /**
   * The daemon that works on this configuration's state. Undefined: there is none, or it is another's.
   * @throws `DaemonUnavailable`: there is one, and it does not answer
   */
  static async find({ luksmith: { socket, state_path } }: HostConfig): Promise<DaemonClient | undefined> {
    const stat = lstatSync(socket, { throwIfNoEntry: false });
    const trusted = [0, process.geteuid?.() ?? 0];
    // A token is only told to who may have all of them: root, or ourselves.
    if (!stat?.isSocket() || !trusted.includes(stat.uid)) return undefined;
    try {
      const answer = await send({ socket, method: "GET", path: "/v1/host", silenceMs: HELLO_MS });
      const host = JSON.parse((await readAll(answer)).toString("utf8")) as HostDocument;
      return host.state_path === state_path ? new DaemonClient(socket, host) : undefined;
    } catch (error) {
      if (nobodyListens(error)) return undefined;
      throw error;
    }
  }

  /**
   * Has something done and waits for it. When `ctx.signal` aborts the daemon is asked to take it back, and that is waited for
   * as well.
   * @returns the document
   * @throws what the daemon says, as if it had happened here; `DaemonUnavailable`
   */
  async perform({ method, path, body }: DaemonRequest, ctx: OpContext): Promise<unknown> {
    if (ctx.signal.aborted)
      throw new LuksmithError("Cancelled", "nothing was begun", { cause: ctx.signal.reason });
    const headers = { ...(await this.#headers(ctx)), prefer: "respond-async" };
    const text = body === undefined ? {} : { body: JSON.stringify(body) };
    const answer = await send({ socket: this.#socket, method, path, headers, ...text });
    const task = JSON.parse((await readAll(answer)).toString("utf8")) as TaskDocument;
    return await this.#follow(task.id, ctx);
  }

  /** The passphrase's bytes, which the caller wipes. */
  async reveal(id: string, ctx: OpContext): Promise<Buffer> {
    const headers = await this.#headers(ctx);
    const path = `/v1/secrets/${encodeURIComponent(id)}/reveal`;
    return await readAll(await send({ socket: this.#socket, method: "POST", path, headers }));
  }

  async #headers(ctx: OpContext): Promise<Record<string, string>> {
    const id = {
      "x-openstack-request-id": ctx.requestId,
      ...(ctx.origin ? { "x-luksmith-user": ctx.origin.who } : {}),
    };
    if (!this.#host.asks_for_user || !ctx.userToken) return id;
    const token = await ctx.userToken.current(ctx);
    return { ...id, "x-auth-token": token.use((bytes) => Buffer.from(bytes).toString("latin1")) };
  }

  async #follow(id: string, ctx: OpContext): Promise<unknown> {
    const socket = this.#socket;
    let asked: Promise<unknown> | undefined;
    const cancel = (): void => {
      asked ??= send({ socket, method: "POST", path: `/v1/tasks/${id}/cancel` }).then(readAll);
      asked.catch(() => {}); // if the daemon is gone, its events end too
    };
    ctx.signal.addEventListener("abort", cancel, { once: true });
    try {
      if (ctx.signal.aborted) cancel();
      const events = await send({ socket, method: "GET", path: `/v1/tasks/${id}/events` });
      for await (const { event, data } of serverEvents(events as AsyncIterable<Buffer>)) {
        const task = JSON.parse(data) as TaskDocument;
        if (event === "end") return resultOf(task);
        tellProgress(task, ctx);
      }
    } catch (error) {
      throw error instanceof Error && "code" in error && error.code === "ECONNRESET"
        ? away(error.message, error)
        : error;
    } finally {
      ctx.signal.removeEventListener("abort", cancel);
      await asked?.catch(() => {});
    }
    throw away("it ended before the operation did");
  }
}

function resultOf({ result, error, state }: TaskDocument): unknown {
  if (state === "done") return result;
  throw errorFromJson(error) ?? away("its answer makes no sense");
}

function tellProgress({ progress }: TaskDocument, ctx: OpContext): void {
  if (!progress) return;
  const { step, done_bytes, total_bytes } = progress;
  ctx.progress?.({ step, doneBytes: BigInt(done_bytes), totalBytes: BigInt(total_bytes) });
}
