/** An answer that was not the one wanted. */
export class UnexpectedAnswer extends Error {
  readonly status: number;

  constructor(what: string, status: number, body: string) {
    super(`${what}: ${status} ${body.slice(0, 1000)}`);
    this.status = status;
  }
}

export interface Call {
  readonly token?: string;
  readonly json?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** Parsed if it is JSON, else text; undefined if empty. */
  readonly body: unknown;
}

/** One request; throws `UnexpectedAnswer` for a status from 400 on. Within 120 seconds. */
export async function call(
  method: string,
  url: string,
  { token, json, headers }: Call = {},
): Promise<Answer> {
  const response = await fetch(url, {
    method,
    headers: {
      ...(token === undefined ? {} : { "x-auth-token": token }),
      ...(json === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    },
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
    signal: AbortSignal.timeout(120_000),
  });
  const text = await response.text();
  if (response.status >= 400) throw new UnexpectedAnswer(`${method} ${url}`, response.status, text);
  const isJson = response.headers.get("content-type")?.includes("json") === true;
  const body: unknown = text === "" ? undefined : isJson ? JSON.parse(text) : text;
  return { status: response.status, headers: response.headers, body };
}

/** What a token may be used for: a project's name, the whole system, or nothing yet. */
export type TokenScope = { readonly project: string } | { readonly system: true } | "unscoped";

/** A token for a user of the domain `default`. */
export async function passwordToken(
  identityUrl: string,
  user: { readonly name: string; readonly password: string },
  scope: TokenScope,
): Promise<string> {
  const domain = { id: "default" };
  const answer = await call("POST", `${identityUrl}/auth/tokens`, {
    json: {
      auth: {
        identity: {
          methods: ["password"],
          password: { user: { name: user.name, domain, password: user.password } },
        },
        // Left out, Keystone would take the user's default project.
        scope: scope === "unscoped" ? "unscoped" : inScope(scope, domain),
      },
    },
  });
  const token = answer.headers.get("x-subject-token");
  if (token === null) throw new Error("Keystone answered without a token");
  return token;
}

function inScope(scope: Exclude<TokenScope, "unscoped">, domain: object): object {
  return "system" in scope ? { system: { all: true } } : { project: { name: scope.project, domain } };
}
