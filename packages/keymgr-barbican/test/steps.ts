import { randomUUID } from "node:crypto";
import {
  GeneratedPassphrase,
  isLuksmithError,
  type KeyManager,
  type OpContext,
  type Passphrase,
  type SecretConsumer,
  type SecretInfo,
  secretName,
} from "@luksmith/core";
import { findSecret, type TestContext } from "@luksmith/testkit";
import { expect } from "vitest";

export function freshName(): string {
  return secretName(randomUUID(), randomUUID());
}

export interface Stored extends Disposable {
  readonly id: string;
  readonly name: string;
  readonly passphrase: GeneratedPassphrase;
}

/** Stores a new passphrase; the caller disposes the answer. */
export async function store(
  keyManager: KeyManager,
  ctx: OpContext,
  consumer?: SecretConsumer,
): Promise<Stored> {
  const passphrase = GeneratedPassphrase.create();
  const name = freshName();
  const { id } = await keyManager.create({ name, passphrase, ...(consumer ? { consumer } : {}) }, ctx);
  return { id, name, passphrase, [Symbol.dispose]: () => passphrase[Symbol.dispose]() };
}

export async function listed(keyManager: KeyManager, ctx: OpContext, name?: string): Promise<SecretInfo[]> {
  const found: SecretInfo[] = [];
  for await (const info of keyManager.list?.(name === undefined ? {} : { name }, ctx) ?? []) found.push(info);
  return found;
}

export async function expectSame(keyManager: KeyManager, secret: Stored, ctx: OpContext): Promise<void> {
  using got = await keyManager.get({ id: secret.id }, ctx);
  // Not compared by `expect`, which would print both.
  expect(got.equals(secret.passphrase), "it came back as it was").toBe(true);
}

/** Fails unless `act` throws this code, and neither the error nor the logs hold a secret or the caller's token. */
export async function expectCode(
  act: Promise<unknown>,
  code: string,
  ctx: TestContext,
  ...secrets: readonly Passphrase[]
) {
  const error = await act.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!isLuksmithError(error))
    throw new Error(`must fail with ${code}, not ${String(error)}`, { cause: error });
  expect(`${error.code}: ${error.message}`).toMatch(new RegExp(`^${code}: `));
  await expectClean([error, ctx.logged], ctx, ...secrets);
  return error;
}

export async function expectClean(
  evidence: unknown,
  ctx: TestContext,
  ...secrets: readonly Passphrase[]
): Promise<void> {
  const token = await ctx.userToken?.current(ctx);
  for (const secret of [...secrets, ...(token ? [token] : [])])
    expect(findSecret(secret, evidence)).toEqual([]);
}
