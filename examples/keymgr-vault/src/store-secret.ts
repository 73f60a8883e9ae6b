import {
  type CreateSecret,
  isLuksmithError,
  LuksmithError,
  type OpContext,
  Passphrase,
} from "@luksmith/core";
import type { KvStore } from "./kv-store.ts";
import { pathOfId } from "./secret-id.ts";
import { vaultError, VaultRefusal } from "./vault-error.ts";

/** To take back what could not be finished, also of an operation that was cancelled. */
const CLEANUP_MS = 15_000;

/**
 * Stores a passphrase under an id that is ours alone, so that a request that is repeated, or arrives late, makes no second one. What
 * cannot be finished is taken back; `details.maybeDone` of the error tells whether that is certain.
 */
export async function storeSecret(
  store: KvStore,
  id: string,
  { name, passphrase }: CreateSecret,
  ctx: OpContext,
): Promise<void> {
  const path = pathOfId(id) ?? "";
  let [lost, made] = [false, false];
  const onLost = (): void => void (lost = true);
  try {
    await store.writeName(path, name, ctx, onLost);
    made = true;
    const ends = await write();
    if (ends !== undefined) throw doomed(ends);
  } catch (error) {
    const gone = (!made && !lost) || (await takeBack(store, path, ctx));
    // A request whose answer was lost may still be on its way.
    const maybeDone = lost || !gone;
    const said = vaultError(error, { action: `store the secret "${name}"`, maybeDone });
    throw withMaybeDone(said, maybeDone);
  }

  async function write(): Promise<string | undefined> {
    try {
      return await store.write(path, passphrase, ctx, onLost);
    } catch (error) {
      if (!(error instanceof VaultRefusal) || !error.isTaken) throw error;
      // By ourselves, just now: the answer to that was lost.
      using stored = Passphrase.take(await store.read(path, ctx));
      if (stored.equals(passphrase)) return undefined;
      throw new LuksmithError(
        "SecretTampered",
        `Vault has another passphrase at ${path} than was stored there just now; see who writes there`,
        { cause: error, details: { id } },
      );
    }
  }
}

/** The engine is set to forget, and nothing that a secret's own settings could say keeps it from that. */
function doomed(time: string): LuksmithError {
  return new LuksmithError(
    "ServiceRefused",
    `Vault would delete this passphrase by itself at ${time}, and with it all that is on the disk: the KV engine has delete_version_after; set that to 0s, or use another mount`,
    { details: { deletionTime: time }, retryable: false },
  );
}

async function takeBack(store: KvStore, path: string, ctx: OpContext): Promise<boolean> {
  try {
    await store.remove(path, { ...ctx, signal: AbortSignal.timeout(CLEANUP_MS) });
    return true;
  } catch (error) {
    ctx.log.warn({ path, err: error }, "could not take back a secret that was not finished");
    return false;
  }
}

function withMaybeDone(error: unknown, maybeDone: boolean): unknown {
  if (
    !isLuksmithError(error) ||
    error.details["maybeDone"] === maybeDone ||
    !(error instanceof LuksmithError)
  ) {
    return error;
  }
  const { code, message, details, cause, retryable } = error;
  return new LuksmithError(code, message, { details: { ...details, maybeDone }, cause, retryable });
}
