import type { OpContext, SecretInfo, TokenSource } from "@luksmith/core";
import type { BarbicanApi } from "./barbican-api.ts";

/**
 * The passphrases in the project of `as`, oldest first, each once.
 * @param name a first sieve by the server, for whom it is a pattern: the caller compares exactly
 */
export async function* listSecrets(
  api: BarbicanApi,
  name: string | undefined,
  as: TokenSource,
  ctx: OpContext,
): AsyncIterable<SecretInfo> {
  const seen = new Set<string>();
  let offset = 0;
  for (let before: number | undefined; ;) {
    const page = await api.page({ ...(name === undefined ? {} : { name }), offset }, as, ctx);
    // What was deleted meanwhile moved the rest forward.
    const gone = Math.min(Math.max(0, (before ?? page.total) - page.total), offset);
    before = page.total;
    if (gone > 0) {
      offset -= gone;
      continue;
    }
    for (const secret of page.secrets) {
      if (secret.secret_type !== "passphrase" || seen.has(secret.secret_ref)) continue;
      seen.add(secret.secret_ref);
      yield { id: secret.secret_ref, name: secret.name ?? "", createdAt: secret.created };
    }
    offset += page.secrets.length;
    if (page.secrets.length === 0 || offset >= page.total) return;
  }
}
