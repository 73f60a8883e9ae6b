import { LuksmithError } from "../../errors/luksmith-error.ts";
import type { OpContext } from "../../image/op-context.ts";
import type { KeyManager } from "../../key-manager/key-manager.ts";

/**
 * Asks the key manager as whom it would act, before anything changes: whoever cannot delete or find the passphrases of
 * an instance shall not destroy its disks either.
 * @param owner the project that the instance belongs to, where that is known
 * @returns the key manager's scope; undefined where it has none
 * @throws `TokenMissing`, `TokenRefused`, `SecretScopeMismatch`
 */
export async function requireKeyOwner(
  keys: KeyManager,
  instanceUuid: string,
  owner: string | undefined,
  ctx: OpContext,
): Promise<string | undefined> {
  const scope = await keys.scope?.(ctx);
  if (scope === undefined || owner === undefined || scope === owner) return scope;
  throw new LuksmithError(
    "SecretScopeMismatch",
    `instance ${instanceUuid} belongs to project ${owner}, and so do its passphrases; the token is for project ${scope}; use one of project ${owner}`,
    { details: { instance: instanceUuid, owner, scope } },
  );
}
