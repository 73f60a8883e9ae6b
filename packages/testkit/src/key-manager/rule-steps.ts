import { randomUUID } from "node:crypto";
import {
  GeneratedPassphrase,
  isLuksmithError,
  type OpContext,
  secretName,
  type SecretInfo,
} from "@luksmith/core";
import { expect } from "vitest";
import { testContext, type TestContext } from "../test-context.ts";
import type { KeyManagerAccess } from "./key-manager-fixture.ts";

/** A name as a host gives it, used by nobody else. */
export function freshName(): string {
  return secretName(randomUUID(), randomUUID());
}

/** The fixture's caller. */
export function contextOf(access: KeyManagerAccess, overrides: Partial<OpContext> = {}): TestContext {
  return (access.context ?? testContext)(overrides);
}

export interface StoredSecret extends Disposable {
  readonly id: string;
  readonly name: string;
  readonly passphrase: GeneratedPassphrase;
}

/** Stores a new passphrase; the caller disposes the answer. */
export async function store(access: KeyManagerAccess, name = freshName()): Promise<StoredSecret> {
  const passphrase = GeneratedPassphrase.create();
  const { id } = await access.keyManager.create({ name, passphrase }, contextOf(access));
  return { id, name, passphrase, [Symbol.dispose]: () => passphrase[Symbol.dispose]() };
}

/** Fails unless the key manager gives the secret's passphrase back to the byte. */
export async function expectStored(access: KeyManagerAccess, secret: StoredSecret): Promise<void> {
  using got = await access.keyManager.get({ id: secret.id }, contextOf(access));
  // Not compared by `expect`, which would print both.
  expect(got.equals(secret.passphrase), `the passphrase of ${secret.id} came back as it was`).toBe(true);
}

export async function listed(
  access: KeyManagerAccess,
  name?: string,
  ctx = contextOf(access),
): Promise<readonly SecretInfo[]> {
  const found: SecretInfo[] = [];
  const filter = name === undefined ? {} : { name };
  for await (const info of access.keyManager.list?.(filter, ctx) ?? []) found.push(info);
  return found;
}

/** Fails unless `act` throws a Luksmith error of that code, which it returns. */
export async function expectCode(act: () => Promise<unknown>, code: string): Promise<Error> {
  const error = await act().then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!isLuksmithError(error))
    throw new Error(`must fail with ${code}, not with ${String(error)}`, { cause: error });
  expect(error.code).toBe(code);
  return error;
}

export async function expectAbsent(access: KeyManagerAccess, id: string): Promise<void> {
  await expectCode(
    () => access.keyManager.get({ id }, contextOf(access)),
    "EphemeralEncryptionSecretNotFound",
  );
}
