import type { OpContext, Passphrase, SecretInfo } from "@luksmith/core";
import * as z from "zod";
import { jsonWithSecret, takeString } from "./secret-json.ts";
import type { VaultClient } from "./vault-client.ts";
import { VaultRefusal } from "./vault-error.ts";
import type { VaultAnswer } from "./vault-http.ts";

const Written = z.object({ data: z.object({ version: z.number(), deletion_time: z.string() }) });
const Listed = z.object({ data: z.object({ keys: z.array(z.string()) }) });
const Time = z.string().transform((text, context) => {
  const time = new Date(text);
  if (!Number.isNaN(time.getTime())) return time.toISOString();
  context.addIssue("is no time");
  return z.NEVER;
});
const Metadata = z.object({
  data: z.object({ created_time: Time, custom_metadata: z.record(z.string(), z.string()).nullish() }),
});

const MADE_BY = "luksmith";

/**
 * The requests of a KV engine of version 2, for secrets of ours at `FOLDER/ID`. All can be repeated. Always the first version is
 * meant: who writes another by hand does not lock the disk.
 */
export class KvStore {
  readonly #client: VaultClient;
  readonly #mount: string;
  readonly #prefix: string;

  constructor(client: VaultClient, mount: string, prefix: string) {
    this.#client = client;
    this.#mount = mount;
    this.#prefix = prefix;
  }

  /** The public side, without which nobody would find the secret. */
  async writeName(path: string, name: string, ctx: OpContext, onLost: () => void): Promise<void> {
    const metadata = { cas_required: true, custom_metadata: { name, made_by: MADE_BY } };
    const body = Buffer.from(JSON.stringify(metadata));
    await this.#client.send({ method: "POST", path: this.#path("metadata", path), body }, ctx, onLost);
  }

  /**
   * @returns when the engine will delete it by itself, if it will
   * @throws `VaultRefusal` that `isTaken`
   */
  async write(
    path: string,
    passphrase: Passphrase,
    ctx: OpContext,
    onLost: () => void,
  ): Promise<string | undefined> {
    // Not over anything: version 0 is that there is none.
    const body = jsonWithSecret('{"options":{"cas":0},"data":{"passphrase":', passphrase, "}}");
    try {
      const request = { method: "POST", path: this.#path("data", path), body } as const;
      const answer = await this.#client.send(request, ctx, onLost);
      return read(answer, Written).data.deletion_time || undefined;
    } finally {
      body.fill(0);
    }
  }

  /** The caller wipes what it gets. @throws `VaultRefusal` that `isAbsent` */
  async read(path: string, ctx: OpContext): Promise<Uint8Array> {
    const request = { method: "GET", path: `${this.#path("data", path)}?version=1` } as const;
    const answer = await this.#client.send(request, ctx);
    try {
      const found = takeString(answer.bytes, ["data", "data", "passphrase"]);
      if (found?.length) return found;
      throw nonsense(answer);
    } catch (error) {
      throw error instanceof SyntaxError ? nonsense(answer) : error;
    } finally {
      answer.bytes.fill(0);
    }
  }

  /** With all versions and metadata, for good. One that is not there is success. */
  async remove(path: string, ctx: OpContext): Promise<void> {
    await unlessAbsent(this.#client.send({ method: "DELETE", path: this.#path("metadata", path) }, ctx));
  }

  /** Names of secrets in a folder, or of folders in ours; those end with `/`. */
  async list(folder: string | undefined, ctx: OpContext): Promise<readonly string[]> {
    // Instead of the method LIST, which some proxies do not know.
    const path = `${this.#path("metadata", folder === undefined ? "" : `${folder}/`)}?list=true`;
    const answer = await unlessAbsent(this.#client.send({ method: "GET", path }, ctx));
    return answer ? read(answer, Listed).data.keys : [];
  }

  /** Undefined: it is not there (any more), or not of our making. */
  async describe(path: string, id: string, ctx: OpContext): Promise<SecretInfo | undefined> {
    const request = { method: "GET", path: this.#path("metadata", path) } as const;
    const answer = await unlessAbsent(this.#client.send(request, ctx));
    if (!answer) return undefined;
    const { custom_metadata: custom, created_time: createdAt } = read(answer, Metadata).data;
    const name = custom?.["name"];
    return name === undefined || custom?.["made_by"] !== MADE_BY ? undefined : { id, name, createdAt };
  }

  close(): void {
    this.#client.close();
  }

  #path(what: "data" | "metadata", path: string): string {
    return `${this.#mount}/${what}/${this.#prefix}/${path}`;
  }
}

async function unlessAbsent(sent: Promise<VaultAnswer>): Promise<VaultAnswer | undefined> {
  return await sent.catch((error: unknown) => {
    if (error instanceof VaultRefusal && error.isAbsent) return undefined;
    throw error;
  });
}

/** An answer of another form than Vault's is somebody else's. */
function read<T>(answer: VaultAnswer, schema: z.ZodType<T>): T {
  try {
    return schema.parse(JSON.parse(Buffer.from(answer.bytes).toString("utf8")));
  } catch {
    throw nonsense(answer);
  }
}

/** As if from a bad gateway; what it is stays out of errors, since there may be a secret in it. */
function nonsense(answer: VaultAnswer): VaultRefusal {
  return new VaultRefusal({ ...answer, status: 502, bytes: new Uint8Array() });
}
