import {
  GeneratedPassphrase,
  isLuksmithError,
  type KeyManager,
  secretName,
  type SecretInfo,
} from "@luksmith/core";
import { findSecret, testContext, type TestContext } from "@luksmith/testkit";
import { expect } from "vitest";

export function freshName(): string {
  return secretName(crypto.randomUUID(), crypto.randomUUID());
}

export async function listed(keyManager: KeyManager, name?: string): Promise<readonly SecretInfo[]> {
  const found: SecretInfo[] = [];
  for await (const info of keyManager.list?.(name === undefined ? {} : { name }, testContext()) ?? [])
    found.push(info);
  return found;
}

/** Stores one; the caller disposes the passphrase. */
export async function stored(keyManager: KeyManager, name = freshName()) {
  const passphrase = GeneratedPassphrase.create();
  const { id } = await keyManager.create({ name, passphrase }, testContext());
  return { id, name, passphrase, [Symbol.dispose]: () => passphrase[Symbol.dispose]() };
}

/** Fails unless it throws a Luksmith error of that code, in which, and in whose log, is no secret. */
export async function refusal(
  act: (ctx: TestContext) => Promise<unknown>,
  code: string,
  secret?: GeneratedPassphrase,
): Promise<{
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
  readonly retryable: boolean;
}> {
  const ctx = testContext();
  const error = await act(ctx).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!isLuksmithError(error))
    throw new Error(`must fail with ${code}, not ${String(error)}`, { cause: error });
  expect(`${error.code}: ${error.message}`).toMatch(new RegExp(`^${code}: `));
  if (secret) expect(findSecret(secret, [error, error.cause, ctx.logged])).toEqual([]);
  return error;
}
