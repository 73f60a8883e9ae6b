import { randomUUID } from "node:crypto";
import {
  GeneratedPassphrase,
  isLuksmithError,
  type KeyManager,
  secretName,
  type SecretInfo,
} from "@luksmith/core";
import { expect } from "vitest";
import { testContext } from "../test-context.ts";

/** A name as a host gives it, used by nobody else. */
export function freshName(): string {
  return secretName(randomUUID(), randomUUID());
}

export interface StoredSecret extends Disposable {
  readonly id: string;
  readonly name: string;
  readonly passphrase: GeneratedPassphrase;
}

/** Stores a new passphrase; the caller disposes the answer. */
export async function store(keyManager: KeyManager, name = freshName()): Promise<StoredSecret> {
  const passphrase = GeneratedPassphrase.create();
  const { id } = await keyManager.create({ name, passphrase }, testContext());
  return { id, name, passphrase, [Symbol.dispose]: () => passphrase[Symbol.dispose]() };
}

/** Fails unless the key manager gives the secret's passphrase back to the byte. */
export async function expectStored(keyManager: KeyManager, secret: StoredSecret): Promise<void> {
  using got = await keyManager.get({ id: secret.id }, testContext());
  // Not compared by `expect`, which would print both.
  expect(got.equals(secret.passphrase), `the passphrase of ${secret.id} came back as it was`).toBe(true);
}

export async function listed(keyManager: KeyManager, name?: string): Promise<readonly SecretInfo[]> {
  const found: SecretInfo[] = [];
  const filter = name === undefined ? {} : { name };
  for await (const info of keyManager.list?.(filter, testContext()) ?? []) found.push(info);
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

export async function expectAbsent(keyManager: KeyManager, id: string): Promise<void> {
  await expectCode(() => keyManager.get({ id }, testContext()), "EphemeralEncryptionSecretNotFound");
}
