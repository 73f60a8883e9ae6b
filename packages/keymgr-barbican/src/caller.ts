import { LuksmithError, type OpContext, type TokenHolder, type TokenSource } from "@luksmith/core";
import { type HttpOptions, type KeystoneSession, tokenInfo, type TokenInfo } from "@luksmith/keystone";

/** In whose name Barbican is asked. */
export interface Caller {
  readonly as: TokenSource;
  readonly projectId: string;
  readonly holder: TokenHolder;
  /** For errors: the user's name and project. */
  readonly label: string;
  readonly roles: readonly string[];
}

export interface Callers {
  readonly keystone: { readonly authUrl: string; readonly http: HttpOptions };
  /** The agent's own account, where it may read secrets by itself. */
  readonly agent?: KeystoneSession | undefined;
}

/** The user whose token came with the request. @throws `TokenMissing`, `TokenRefused`, Keystone's errors */
export async function userCaller(callers: Callers, ctx: OpContext): Promise<Caller> {
  if (ctx.userToken === undefined) throw tokenMissing(callers);
  return await identify(ctx.userToken, callers, ctx);
}

/** The user, or the agent itself when it acts without one and may read secrets. */
export async function readingCaller(callers: Callers, ctx: OpContext): Promise<Caller> {
  const source = ctx.userToken ?? callers.agent;
  if (source === undefined) throw tokenMissing(callers);
  return await identify(source, callers, ctx);
}

/** Barbican answers 500 to a token without a project, which would look like an outage: so it is refused here. */
async function identify(as: TokenSource, { keystone }: Callers, ctx: OpContext): Promise<Caller> {
  const info = await tokenInfo(as, keystone, ctx);
  if (info.projectId === undefined) {
    throw new LuksmithError(
      "TokenRefused",
      `the token of ${nameOf(info)} is not scoped to a project, and Barbican's secrets belong to projects; ask Keystone for a token with a project (OS_PROJECT_NAME or OS_PROJECT_ID)`,
      { details: { userId: info.userId, maybeDone: false } },
    );
  }
  const project = info.projectName ? `${info.projectName} (${info.projectId})` : info.projectId;
  return {
    as,
    projectId: info.projectId,
    holder: holderOf(info),
    label: `${nameOf(info)} in project ${project}`,
    roles: info.roles,
  };
}

function holderOf({ userId, userName, projectId, projectName }: TokenInfo): TokenHolder {
  return {
    userId,
    ...(userName === undefined ? {} : { userName }),
    ...(projectId === undefined ? {} : { projectId }),
    ...(projectName === undefined ? {} : { projectName }),
  };
}

export function tokenRefused(
  service: string,
  cause: unknown,
  details: Readonly<Record<string, unknown>>,
): LuksmithError {
  return new LuksmithError(
    "TokenRefused",
    `${service} refused the token: it is expired, revoked, or of another cloud; log in again`,
    { cause, details },
  );
}

function tokenMissing({ agent }: Callers): LuksmithError {
  const host =
    agent === undefined ? "" : "; the host's own account may read secrets, not make or remove them";
  return new LuksmithError(
    "TokenMissing",
    `Barbican's secrets belong to users, and no user's token came with this request${host}: set OS_* variables or OS_CLOUD, or give a token on standard input with --os-token-stdin`,
    { details: { maybeDone: false } },
  );
}

function nameOf({ userName, userId }: TokenInfo): string {
  return userName === undefined ? `user ${userId}` : `user ${userName}`;
}
