import { type AnyLuksmithError, isLuksmithError } from "@luksmith/core";
import { expect } from "vitest";

/** Fails unless `act` throws a Luksmith error of that code and category; returns it. */
export async function expectRefusal(
  act: () => Promise<unknown>,
  code: string,
  category?: string,
): Promise<AnyLuksmithError> {
  const error = await act().then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!isLuksmithError(error)) {
    throw new Error(`must fail with ${code}, not with ${String(error)}`, { cause: error });
  }
  const wanted = category === undefined ? { code } : { code, category };
  expect(error).toMatchObject(wanted);
  return error;
}
