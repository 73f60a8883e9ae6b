import * as z from "zod";
import { Catalog } from "./catalog.ts";

/** What Keystone says of a token. */
export interface TokenInfo {
  readonly userId: string;
  readonly userName: string | undefined;
  /** Undefined: the token is of no project. Barbican answers 500 to these, so refuse before calling. */
  readonly projectId: string | undefined;
  readonly projectName: string | undefined;
  /** Names. */
  readonly roles: readonly string[];
  readonly issuedAt: Date;
  readonly expiresAt: Date;
  readonly catalog: Catalog;
}

const Time = z.iso.datetime({ offset: true }).transform((text) => new Date(text));
const Optional = z.string().nullish().catch(undefined);

const Endpoint = z.object({
  interface: z.string(),
  region: Optional,
  region_id: Optional,
  url: z.string(),
});
const Service = z.object({
  type: z.string(),
  name: z.string().optional().catch(undefined),
  endpoints: z.array(Endpoint),
});

/** `GET` and `POST /v3/auth/tokens`. Sent empty by Keystone: roles and catalog of an unscoped token are left out. */
export const TokenAnswer = z
  .object({
    token: z.object({
      user: z.object({ id: z.string(), name: z.string().optional() }),
      project: z.object({ id: z.string(), name: z.string().optional() }).optional(),
      roles: z.array(z.object({ name: z.string() })).default([]),
      issued_at: Time,
      expires_at: Time,
      catalog: z.array(Service).default([]),
    }),
  })
  .transform(({ token }): TokenInfo => ({
    userId: token.user.id,
    userName: token.user.name,
    projectId: token.project?.id,
    projectName: token.project?.name,
    roles: token.roles.map((role) => role.name),
    issuedAt: token.issued_at,
    expiresAt: token.expires_at,
    catalog: new Catalog(token.catalog),
  }));
