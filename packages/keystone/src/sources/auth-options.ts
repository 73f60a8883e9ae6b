import type { Credentials, Scope, UserName } from "../session/credentials.ts";
import { invalid, required, secret, type Values } from "./values.ts";

/** keystoneauth's names of what is supported here. */
const KINDS: Readonly<Record<string, Credentials["kind"]>> = {
  password: "password",
  v3password: "password",
  v3applicationcredential: "application-credential",
  token: "token",
  v3token: "token",
};

/**
 * Credentials from options with keystoneauth's names. Without `auth_type`: an application credential if one is given,
 * else a token if that is given and no password, else a password.
 * @throws `ConfigInvalid` or `UsageError` with what is missing
 */
export function credentialsFrom(values: Values): Credentials {
  switch (kindOf(values)) {
    case "application-credential":
      return applicationCredential(values);
    case "token": {
      const token = required(values, ["token"], "a login with a token");
      return { kind: "token", token: secret(token), scope: optional(scopeFrom(values)) };
    }
    case "password":
    default:
      return password(values);
  }
}

function kindOf(values: Values): Credentials["kind"] {
  const type = values.get("auth_type") ?? values.get("auth_plugin");
  if (type === undefined) {
    if (["id", "name", "secret"].some((part) => values.get(`application_credential_${part}`))) {
      return "application-credential";
    }
    return values.get("token") !== undefined && values.get("password") === undefined ? "token" : "password";
  }
  const kind = KINDS[type];
  if (kind !== undefined) return kind;
  const known = Object.keys(KINDS).join(", ");
  throw invalid(values, `${values.spell("auth_type")} = ${type} is not supported; use one of ${known}`);
}

function password(values: Values): Credentials {
  const user = userFrom(values);
  const scope = scopeFrom(values);
  if (user.userId === undefined) {
    required(values, ["username", "user_id"], "a login with a password");
    requireDomain(values, "user", user.userDomainId ?? user.userDomainName);
  }
  if (scope.projectName !== undefined && scope.projectId === undefined) {
    requireDomain(values, "project", scope.projectDomainId ?? scope.projectDomainName);
  }
  const text = required(values, ["password"], "a login with a password");
  return { kind: "password", ...user, password: secret(text), scope };
}

function applicationCredential(values: Values): Credentials {
  const id = values.get("application_credential_id");
  const name = values.get("application_credential_name");
  required(values, ["application_credential_id", "application_credential_name"], "an application credential");
  const user = userFrom(values);
  if (id === undefined && user.userId === undefined) {
    required(values, ["username", "user_id"], "an application credential given by name");
    requireDomain(values, "user", user.userDomainId ?? user.userDomainName);
  }
  const text = required(values, ["application_credential_secret"], "an application credential");
  return { kind: "application-credential", id, name, ...user, secret: secret(text) };
}

function userFrom(values: Values): UserName {
  const { id, name } = domainOf(values, "user");
  return {
    userId: values.get("user_id"),
    userName: values.get("username") ?? values.get("user_name"),
    userDomainId: id,
    userDomainName: name,
  };
}

function scopeFrom(values: Values): Scope {
  const projectId = values.get("project_id") ?? values.get("tenant_id");
  const projectName = values.get("project_name") ?? values.get("tenant_name");
  if (projectId === undefined && projectName === undefined) {
    return {
      domainId: values.get("domain_id"),
      domainName: values.get("domain_name"),
      system: values.get("system_scope"),
    };
  }
  const { id, name } = domainOf(values, "project");
  return { projectId, projectName, projectDomainId: id, projectDomainName: name };
}

interface Domain {
  readonly id?: string | undefined;
  readonly name?: string | undefined;
}

/** The user's or the project's own domain, else the one said for both, else the default. */
function domainOf(values: Values, of: "user" | "project"): Domain {
  const own = { id: values.get(`${of}_domain_id`), name: values.get(`${of}_domain_name`) };
  const both = { id: values.get("domain_id"), name: values.get("domain_name") };
  const fallback = {
    id: values.get("default_domain_id") ?? values.get("default_domain"),
    name: values.get("default_domain_name"),
  };
  // Without a project, `domain_name` is the scope.
  const scoped = ["project_id", "project_name", "tenant_id", "tenant_name"].some((key) => values.get(key));
  const said = [own, ...(scoped ? [both] : []), fallback].find(({ id, name }) => id ?? name);
  return said ?? { id: values.defaultDomainId };
}

/** Keystone would answer 400, which says less. */
function requireDomain(values: Values, of: "user" | "project", domain: string | undefined): void {
  if (domain === undefined) required(values, [`${of}_domain_name`, `${of}_domain_id`], `a ${of}'s name`);
}

/** Undefined for a scope that says nothing. */
function optional(scope: Scope): Scope | undefined {
  return Object.values(scope).some((part) => part !== undefined) ? scope : undefined;
}
