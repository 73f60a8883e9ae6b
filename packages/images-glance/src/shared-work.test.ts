import { cancelledError, LuksmithError } from "@luksmith/core";
import { testContext } from "@luksmith/testkit";
import { expect, test } from "vitest";
import { type Shared, SharedWork } from "./shared-work.ts";

const nothing = (): Promise<void> => Promise.resolve();

test("is done once for all who ask meanwhile, and again for who asks later", async () => {
  const work = new SharedWork();
  const { promise, resolve } = Promise.withResolvers<void>();
  let times = 0;
  const act = (): Promise<void> => {
    times++;
    return promise;
  };
  const all = [1, 2, 3].map(() => work.run("a", act, testContext()));
  await work.run("b", nothing, testContext());
  resolve();
  await Promise.all(all);
  expect(times).toBe(1);
  await work.run("a", act, testContext());
  expect(times).toBe(2);
});

test("a failure is everybody's", async () => {
  const work = new SharedWork();
  const { promise, reject } = Promise.withResolvers<void>();
  const all = Promise.allSettled([1, 2].map(() => work.run("a", () => promise, testContext())));
  reject(new LuksmithError("ImageCorrupt", "bad"));
  expect((await all).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
});

test.each([cancelledError("enough"), new LuksmithError("TokenRefused", "expired")])(
  "the next takes over when the one who works fails with %s",
  async (failure) => {
    const work = new SharedWork();
    const { promise, reject } = Promise.withResolvers<void>();
    let first: Shared | undefined;
    const leading = work.run(
      "a",
      (shared) => {
        first = shared;
        return promise;
      },
      testContext(),
    );
    expect(first?.wantedByOthers()).toBe(false);
    let done = 0;
    const act = (): Promise<void> => {
      done++;
      return Promise.resolve();
    };
    const others = Promise.all([work.run("a", act, testContext()), work.run("a", act, testContext())]);
    expect(first?.wantedByOthers()).toBe(true);
    reject(failure);
    await expect(leading).rejects.toBe(failure);
    await others;
    expect(done).toBe(1);
  },
);

test("who waits may leave, and is then no longer waited for", async () => {
  const work = new SharedWork();
  const { promise, resolve } = Promise.withResolvers<void>();
  let shared: Shared | undefined;
  const leading = work.run(
    "a",
    (given) => {
      shared = given;
      return promise;
    },
    testContext(),
  );
  const stop = new AbortController();
  const waiting = work.run("a", nothing, testContext({ signal: stop.signal }));
  stop.abort();
  await expect(waiting).rejects.toMatchObject({ code: "Cancelled" });
  expect(shared?.wantedByOthers()).toBe(false);
  resolve();
  await leading;
});
