import * as z from "zod";

const LOOPBACK = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/** Tokens and passphrases go over it. */
const Url = z
  .url({ protocol: /^https?$/, error: "must be a URL with https" })
  .refine(safe, "must be https: http is for loopback addresses only")
  .transform((url) => url.replace(/\/+$/, "").replace(/\/v1$/, ""));

function safe(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return protocol === "https:" || LOOPBACK.test(hostname);
}

const AbsolutePath = z.string().startsWith("/", "must be an absolute path");

/** Where something is mounted or kept: segments that mean the same to every proxy. */
const Mount = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9_.-]*(?:\/[A-Za-z0-9][A-Za-z0-9_.-]*)*$/,
    "must be names with / between them",
  );

function whole(min: number, max: number) {
  return z.coerce.number().int().min(min).max(max);
}

const Options = z
  .strictObject({
    url: Url,
    /** Where the KV engine is mounted. */
    mount: Mount.default("secret"),
    /** Luksmith's own folder in it. */
    prefix: Mount.default("luksmith"),
    namespace: Mount.optional(),
    /** PEM file with the certificates of a private authority. */
    ca_file: AbsolutePath.optional(),
    token_file: AbsolutePath.optional(),
    role_id: z.string().min(1).optional(),
    secret_id_file: AbsolutePath.optional(),
    auth_mount: Mount.default("approle"),
    timeout: whole(1, 600).default(30),
    max_concurrent: whole(1, 1000).default(16),
  })
  .refine(
    ({ token_file, role_id, secret_id_file }) => {
      const role = role_id !== undefined && secret_id_file !== undefined;
      const half = role_id !== undefined || secret_id_file !== undefined;
      return token_file === undefined ? role : !half;
    },
    { error: "set either token_file, or role_id and secret_id_file", path: ["token_file"] },
  );

/** @see VaultConfig */
export type VaultOptions = z.output<typeof Options>;

/** `[luksmith:keymgr-vault]` is this plugin's own section: strict. All other sections are somebody else's, and pass. */
export const VaultConfig = z.object({
  sections: z.object({ "luksmith:keymgr-vault": Options }),
});
