import { expect, test } from "vitest";
import { isSecretName, withoutUserinfo } from "./redact.ts";

test.each([
  "password",
  "admin_password",
  "application_credential_secret",
  "memcache_secret_key",
  "client-secret",
  "token",
  "auth_token",
  "fixed_key",
  "passcode",
  "PASSWORD",
])("%s is a secret", (name) => {
  expect(isSecretName(name)).toBe(true);
});

test.each([
  "username",
  "auth_url",
  "rbd_secret_uuid",
  "application_credential_id",
  "application_credential_name",
  "keyfile",
  "password_file",
  "service_token_roles",
  "barbican_endpoint",
  "secret_type",
])("%s is not", (name) => {
  expect(isSecretName(name)).toBe(false);
});

test("a URL's password is taken out", () => {
  expect(withoutUserinfo("https://me:pa@ss@host:1/x")).toBe("https://me:[redacted]@host:1/x");
  expect(withoutUserinfo("https://host:1/x")).toBe("https://host:1/x");
});
