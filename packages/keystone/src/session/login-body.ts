import { randomUUID } from "node:crypto";
import { type Credentials, type Scope, secretOf, type UserName } from "./credentials.ts";

/**
 * The body of `POST /auth/tokens`. It holds the secret as bytes and never as a string: whoever gets it wipes it.
 */
export function loginBody(credentials: Credentials): Uint8Array {
  // The JSON is made with a random word in the secret's place and cut there.
  const placeholder = randomUUID();
  const [before = "", after = ""] = JSON.stringify({ auth: authOf(credentials, placeholder) }).split(
    placeholder,
  );
  return secretOf(credentials).use((secret) => {
    const head = Buffer.from(before);
    const tail = Buffer.from(after);
    const body = new Uint8Array(head.length + escapedLength(secret) + tail.length);
    body.set(head);
    const end = escapeInto(body, head.length, secret);
    body.set(tail, end);
    return body;
  });
}

function authOf(credentials: Credentials, secret: string): object {
  switch (credentials.kind) {
    case "password": {
      const identity = {
        methods: ["password"],
        password: { user: { ...userOf(credentials), password: secret } },
      };
      return withScope(identity, credentials.scope);
    }
    case "application-credential": {
      const { id, name } = credentials;
      const which = id === undefined ? { name, user: userOf(credentials) } : { id };
      // No scope: Keystone refuses one here, the credential has its own.
      return {
        identity: { methods: ["application_credential"], application_credential: { ...which, secret } },
      };
    }
    case "token":
    default:
      return withScope({ methods: ["token"], token: { id: secret } }, credentials.scope ?? {});
  }
}

function withScope(identity: object, scope: Scope): object {
  const { projectId, projectName, projectDomainId, projectDomainName, domainId, domainName, system } = scope;
  if (projectId !== undefined) return { identity, scope: { project: { id: projectId } } };
  if (projectName !== undefined) {
    const domain = named(projectDomainId, projectDomainName);
    return { identity, scope: { project: { name: projectName, domain } } };
  }
  if (domainId !== undefined || domainName !== undefined) {
    return { identity, scope: { domain: named(domainId, domainName) } };
  }
  // Without a scope Keystone takes the user's default project, if there is one; keystoneauth leaves it to that too.
  return system === undefined ? { identity } : { identity, scope: { system: { [system]: true } } };
}

function userOf({ userId, userName, userDomainId, userDomainName }: UserName): object {
  if (userId !== undefined) return { id: userId };
  return { name: userName, domain: named(userDomainId, userDomainName) };
}

function named(id: string | undefined, name: string | undefined): object {
  return id === undefined ? { name } : { id };
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const SPACE = 0x20;

function escapedLength(secret: Uint8Array): number {
  let length = 0;
  for (const byte of secret) length += byte === QUOTE || byte === BACKSLASH ? 2 : byte < SPACE ? 6 : 1;
  return length;
}

/** JSON's escapes; all other bytes of UTF-8 stand for themselves. */
function escapeInto(body: Uint8Array, at: number, secret: Uint8Array): number {
  let end = at;
  for (const byte of secret) {
    if (byte === QUOTE || byte === BACKSLASH) {
      body[end++] = BACKSLASH;
      body[end++] = byte;
    } else if (byte < SPACE) {
      body.set(Buffer.from(`\\u00${byte.toString(16).padStart(2, "0")}`), end);
      end += 6;
    } else {
      body[end++] = byte;
    }
  }
  return end;
}
