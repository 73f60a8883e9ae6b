import { testContext } from "@luksmith/testkit";
import { expect, onTestFinished, test } from "vitest";
import { connectLibvirt } from "../src/client.ts";
import type { Libvirt } from "../src/libvirt.ts";
import { PROCEDURE } from "../src/rpc/procedures.ts";
import { type Answer, fakeDaemon, welcoming } from "./fake-daemon.ts";

const UUID = "3fa85f64-5717-4562-b3fc-2c963f66afa6";
const NAMES = new Map(Object.entries(PROCEDURE).map(([name, number]) => [number as number, name]));

/** A daemon that keeps its first call and answers later ones at once, and what it was asked. */
async function slowDaemon(
  timeoutMs: number,
): Promise<{ libvirt: Libvirt; asked: string[]; first: () => Answer }> {
  const asked: string[] = [];
  const kept: Answer[] = [];
  const uri = await fakeDaemon(
    welcoming(({ procedure }, answer) => {
      asked.push(NAMES.get(procedure) ?? "?");
      if (asked.length === 1) kept.push(answer);
      else answer.reply();
    }),
  );
  const libvirt = await connectLibvirt(uri, testContext(), { timeoutMs });
  onTestFinished(() => libvirt[Symbol.dispose]());
  return { libvirt, asked, first: () => kept.at(0)! };
}

test("a guest is not undefined before libvirt has answered to the start that nobody waits for any more", async () => {
  const { libvirt, asked, first } = await slowDaemon(10_000);
  const ctx = testContext();
  const late = { code: "LibvirtTimedOut" };
  await expect(libvirt.domains.start(UUID, ctx, { timeoutMs: 50 })).rejects.toMatchObject(late);
  const undefined_ = libvirt.domains.undefine(UUID, ctx);
  // Of another guest, or only looked at: nothing is held up.
  expect(await libvirt.domains.undefine(UUID.replace("3", "4"), ctx)).toBe(true);
  expect(asked).toEqual(["domainCreateWithFlags", "domainUndefineFlags"]);
  first().reply();
  expect(await undefined_).toBe(true);
  expect(asked).toEqual(["domainCreateWithFlags", "domainUndefineFlags", "domainUndefineFlags"]);
});

test("a guest is destroyed at once, for it may hang, and again when its start is over", async () => {
  const { libvirt, asked, first } = await slowDaemon(10_000);
  const ctx = testContext();
  await expect(libvirt.domains.start(UUID, ctx, { timeoutMs: 50 })).rejects.toThrow(/did not answer/);
  const destroyed = libvirt.domains.destroy(UUID, ctx);
  await expect.poll(() => asked).toEqual(["domainCreateWithFlags", "domainDestroyFlags"]);
  first().reply();
  expect(await destroyed).toBe(true);
  expect(asked).toEqual(["domainCreateWithFlags", "domainDestroyFlags", "domainDestroyFlags"]);
});

test("who waits for a call that libvirt never answers is told so in time, or when cancelled", async () => {
  const { libvirt, asked } = await slowDaemon(100);
  await expect(libvirt.domains.start(UUID, testContext(), { timeoutMs: 50 })).rejects.toThrow(
    /did not answer/,
  );
  await expect(libvirt.domains.undefine(UUID, testContext())).rejects.toMatchObject({
    code: "LibvirtTimedOut",
    message: expect.stringMatching(/earlier call/),
  });
  const gone = testContext({ signal: AbortSignal.timeout(20) });
  await expect(libvirt.domains.undefine(UUID, gone)).rejects.toMatchObject({ code: "Cancelled" });
  expect(asked).toEqual(["domainCreateWithFlags"]);
});
