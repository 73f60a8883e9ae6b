import { setTimeout as wait } from "node:timers/promises";
import { cancelledError, type CreateSecret, isLuksmithError, type OpContext } from "@luksmith/core";
import type { BarbicanApi } from "./barbican-api.ts";
import { barbicanError, isAnswerLost, isRefusal, nothingDone } from "./barbican-error.ts";
import type { Caller } from "./caller.ts";
import { listSecrets } from "./list-secrets.ts";
import { readPassphrase } from "./read-passphrase.ts";
import { secretBody } from "./secret-text.ts";

/** How often a secret is sent whose answers are lost, and each time cannot be found. */
const ATTEMPTS = 3;
const FIRST_DELAY_MS = 500;

/**
 * Stores a passphrase under a new id. When the answer is lost, the secret is looked for by its name, and is ours if it
 * holds what was sent (times are not compared: clocks differ); only if it is not there it is sent again. A request that
 * arrives late after that makes a second secret, which is deleted.
 *
 * @throws what `barbicanError` makes of it; `details.maybeDone` tells whether recovery must look for the name
 */
export async function storeSecret(
  api: BarbicanApi,
  request: CreateSecret,
  caller: Caller,
  ctx: OpContext,
): Promise<string> {
  const body = secretBody(request.name, request.passphrase);
  let lost = false;
  try {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const id = await api.create(body, caller.as, ctx);
        if (lost) await removeDoubles(api, request, id, caller, ctx);
        return id;
      } catch (error) {
        if (!isAnswerLost(error)) throw error;
        lost = true;
        ctx.log.warn(
          { name: request.name, err: error },
          "the answer to storing a secret was lost; looking for it",
        );
        const [found] = await stored(api, request, caller, ctx).catch((failure: unknown) => {
          if (ctx.signal.aborted) throw failure;
          ctx.log.warn({ name: request.name, err: failure }, "could not look for the secret");
          throw error;
        });
        if (found !== undefined) {
          await removeDoubles(api, request, found, caller, ctx);
          return found;
        }
        if (attempt === ATTEMPTS) throw error;
        await delay(FIRST_DELAY_MS * 2 ** (attempt - 1), ctx);
      }
    }
  } catch (error) {
    const said = barbicanError(error, {
      action: `store the secret "${request.name}"`,
      caller,
      maybeDone: lost,
    });
    throw lost || (isLuksmithError(said) && said.code === "Cancelled") ? said : nothingDone(said);
  } finally {
    body.fill(0);
  }
}

/** The ids of the secrets that hold this passphrase under this name, oldest first. */
async function stored(
  api: BarbicanApi,
  { name, passphrase }: CreateSecret,
  { as }: Caller,
  ctx: OpContext,
): Promise<readonly string[]> {
  const ids: string[] = [];
  for await (const info of listSecrets(api, name, as, ctx)) {
    if (info.name !== name) continue;
    try {
      using found = await readPassphrase(api, info.id, as, ctx);
      if (found.equals(passphrase)) ids.push(info.id);
    } catch (error) {
      // Deleted meanwhile, or somebody else's: not the one that was just sent.
      if (!isRefusal(error)) throw error;
    }
  }
  return ids;
}

/** What cannot be deleted is a key too many, which harms nobody: it is logged. */
async function removeDoubles(
  api: BarbicanApi,
  request: CreateSecret,
  kept: string,
  caller: Caller,
  ctx: OpContext,
): Promise<void> {
  try {
    for (const id of await stored(api, request, caller, ctx)) {
      if (id === kept) continue;
      await api.remove(id, caller.as, ctx);
      ctx.log.warn({ secretId: id, kept, name: request.name }, "deleted a secret that was stored twice");
    }
  } catch (error) {
    if (ctx.signal.aborted) throw error;
    ctx.log.warn(
      { kept, name: request.name, err: error },
      "could not see whether the secret was stored twice; delete any other of this name",
    );
  }
}

async function delay(ms: number, ctx: OpContext): Promise<void> {
  try {
    await wait(ms, undefined, { signal: ctx.signal });
  } catch {
    throw cancelledError(ctx.signal.reason);
  }
}
