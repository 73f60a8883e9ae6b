import { createInstance, isLuksmithError, verifyDisks } from "@luksmith/core/host";
import { expect } from "vitest";
import type { RequestKnobs } from "./request-json.ts";
import { type TempHost } from "./temp-host.ts";
import { treeOf } from "./tree.ts";
import { testContext } from "./workspace.ts";

/** Everything but what an open host writes for itself. */
export function worldOf(temp: TempHost): ReadonlyMap<string, string> {
  const own = /luksmith\.sqlite|keys\.sqlite|lock|key-encryption-key|\/state\/audit(?:$|\/)/;
  return new Map([...treeOf(temp.root)].filter(([path]) => !own.test(path)));
}

export async function secretsOf(temp: TempHost): Promise<readonly string[]> {
  await using host = await temp.write();
  const ids: string[] = [];
  for await (const { id } of (await host.services()).keys.list?.({}, testContext()) ?? []) ids.push(id);
  return ids.toSorted();
}

/** How `act` was refused, code and category; fails unless files and secrets are as before. */
export async function refused(
  temp: TempHost,
  act: () => Promise<unknown>,
): Promise<readonly [string, string]> {
  const secrets = await secretsOf(temp);
  const world = worldOf(temp);
  const error = await act().then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(worldOf(temp)).toEqual(world);
  expect(await secretsOf(temp)).toEqual(secrets);
  if (!isLuksmithError(error)) throw new Error(`must be refused, not ${String(error)}`, { cause: error });
  return [error.code, error.category];
}

export async function createOn(temp: TempHost, image: string, knobs: RequestKnobs = {}): Promise<string> {
  await using host = await temp.write();
  return (await createInstance(host, await temp.request(image, knobs), testContext())).uuid;
}

export async function verified(temp: TempHost, id: string): Promise<boolean> {
  await using host = await temp.write();
  const reports = await verifyDisks(host, id, testContext());
  return reports.every(({ disks }) => disks.every(({ ok }) => ok));
}
