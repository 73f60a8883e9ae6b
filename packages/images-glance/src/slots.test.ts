import { testContext } from "@luksmith/testkit";
import { expect, test } from "vitest";
import { Slots } from "./slots.ts";

test("no more than there are, in turn; who leaves the queue costs nobody a place", async () => {
  const slots = new Slots(1);
  const first = await slots.take(testContext());
  const stop = new AbortController();
  const order: string[] = [];
  const gone = slots.take(testContext({ signal: stop.signal }));
  const second = slots.take(testContext()).then((slot) => {
    order.push("second");
    return slot;
  });
  const third = slots.take(testContext()).then((slot) => {
    order.push("third");
    return slot;
  });
  stop.abort();
  await expect(gone).rejects.toMatchObject({ code: "Cancelled" });
  expect(order).toEqual([]);
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  (await second)[Symbol.dispose]();
  (await third)[Symbol.dispose]();
  expect(order).toEqual(["second", "third"]);
  (await slots.take(testContext()))[Symbol.dispose]();
});

test("none for who is cancelled already", async () => {
  const signal = AbortSignal.abort();
  await expect(new Slots(1).take(testContext({ signal }))).rejects.toMatchObject({ code: "Cancelled" });
});
