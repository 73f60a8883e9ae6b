import { expect, test } from "vitest";
import { LuksmithError } from "../errors/luksmith-error.ts";
import type { OpContext } from "../image/op-context.ts";
import { silentLogger } from "../log/logger.ts";
import type { KeyManager } from "./key-manager.ts";
import { observedKeys } from "./observed-keys.ts";

const ctx: OpContext = { requestId: "req-1", signal: new AbortController().signal, log: silentLogger };

/** Has what it was made with, so that a lost `this` is noticed. */
class Keys implements KeyManager {
  readonly name = "keys";
  readonly #ids = ["a", "b"];

  create(): Promise<{ id: string }> {
    return Promise.resolve({ id: "c" });
  }

  get(): Promise<never> {
    return Promise.reject(new LuksmithError("KeyManagerUnavailable", "away"));
  }

  delete(): Promise<void> {
    return Promise.reject(new Error("our bug"));
  }

  async *list() {
    for (const id of this.#ids) yield { id, name: "n", createdAt: "t" };
  }
}

test("each call is told with how it ended, and goes through as it is", async () => {
  const events: unknown[] = [];
  const keys = observedKeys(new Keys(), (event) => events.push(event));
  expect(await keys.create({ name: "n" } as never, ctx)).toEqual({ id: "c" });
  await expect(keys.get({ id: "a" }, ctx)).rejects.toThrow("away");
  await expect(keys.delete({ id: "a" }, ctx)).rejects.toThrow("our bug");
  const ids: string[] = [];
  for await (const { id } of keys.list!({}, ctx)) ids.push(id);
  expect(ids).toEqual(["a", "b"]);
  expect(events.slice(0, 3)).toEqual([
    { call: "create", code: undefined },
    { call: "get", code: "KeyManagerUnavailable" },
    { call: "delete", code: "InternalError" },
  ]);
  expect("scope" in keys).toBe(false); // it means that callers differ
});
