import type { OpenStack, UserName } from "@luksmith/testing-services";
import { expect } from "vitest";
import type { TempHost } from "../temp-host.ts";
import { filesBelow } from "../tree.ts";

/** Fails if the host has a disk or unfinished work, or this user's project a secret of the instance. */
export async function expectNothingLeft(
  temp: TempHost,
  openstack: OpenStack,
  user: UserName,
  instance: string,
): Promise<void> {
  expect(filesBelow(temp.instancesPath)).toEqual([]);
  expect(await secretsOf(openstack, user, instance)).toEqual([]);
  await using host = await temp.write();
  expect(host.journal.unfinished()).toEqual([]);
  expect(host.inventory.instances()).toEqual([]);
}

/** The names of the secrets that Barbican keeps for an instance. */
export async function secretsOf(
  openstack: OpenStack,
  user: UserName,
  instance: string,
): Promise<readonly string[]> {
  const secrets = await openstack.listSecrets(user);
  return secrets.flatMap(({ name }) => (name?.includes(instance) ? [name] : []));
}
