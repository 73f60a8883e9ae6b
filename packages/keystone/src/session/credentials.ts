import type { Passphrase } from "@luksmith/core";

/** What a token is good for. Empty: the user's default project, or none. A project's domain is needed with its name only. */
export interface Scope {
  readonly projectId?: string | undefined;
  readonly projectName?: string | undefined;
  readonly projectDomainId?: string | undefined;
  readonly projectDomainName?: string | undefined;
  readonly domainId?: string | undefined;
  readonly domainName?: string | undefined;
  /** Keystone's `system` scope: `all`. */
  readonly system?: string | undefined;
}

/** A user, by id, or by name and domain. */
export interface UserName {
  readonly userId?: string | undefined;
  readonly userName?: string | undefined;
  readonly userDomainId?: string | undefined;
  readonly userDomainName?: string | undefined;
}

export interface PasswordCredentials extends UserName {
  readonly kind: "password";
  readonly password: Passphrase;
  readonly scope: Scope;
}

/** Its project is part of it. By id, or by name and user. */
export interface ApplicationCredential extends UserName {
  readonly kind: "application-credential";
  readonly id?: string | undefined;
  readonly name?: string | undefined;
  readonly secret: Passphrase;
}

/** A token from elsewhere: with a scope it is exchanged for one of that scope, without it is used as it is. */
export interface TokenCredentials {
  readonly kind: "token";
  readonly token: Passphrase;
  readonly scope?: Scope | undefined;
}

/** What logs in. The session that gets it owns the secret and wipes it. */
export type Credentials = PasswordCredentials | ApplicationCredential | TokenCredentials;

/** The secret of any of them. */
export function secretOf(credentials: Credentials): Passphrase {
  switch (credentials.kind) {
    case "password":
      return credentials.password;
    case "application-credential":
      return credentials.secret;
    case "token":
    default:
      return credentials.token;
  }
}

/** Who logs in where, for messages: `user alice in project demo`. Never the secret. */
export function describeCredentials(credentials: Credentials): string {
  switch (credentials.kind) {
    case "password":
      return `user ${credentials.userName ?? credentials.userId ?? "?"}${describeScope(credentials.scope)}`;
    case "application-credential": {
      const user = credentials.userName ?? credentials.userId;
      const of = user === undefined ? "" : ` of user ${user}`;
      return `application credential ${credentials.name ?? credentials.id ?? "?"}${of}`;
    }
    case "token":
    default:
      return `the given token${describeScope(credentials.scope ?? {})}`;
  }
}

function describeScope(scope: Scope): string {
  const project = scope.projectName ?? scope.projectId;
  if (project !== undefined) return ` in project ${project}`;
  const domain = scope.domainName ?? scope.domainId;
  if (domain !== undefined) return ` in domain ${domain}`;
  return scope.system === undefined ? "" : ` on the whole system (${scope.system})`;
}
