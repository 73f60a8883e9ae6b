import { expect } from "vitest";
import { type Bystanders, expectConsistent } from "./host-state.ts";
import type { TempHost } from "./temp-host.ts";
import { filesBelow } from "./tree.ts";

/** Opens a host twice; everything is consistent after the first, and the second finds nothing to do. */
export async function recoverTwice(temp: TempHost, others: Bystanders): Promise<readonly string[]> {
  const ended: string[] = [];
  {
    await using host = await temp.write();
    expect(host.recovery.operations.filter(({ outcome }) => outcome === "failed")).toEqual([]);
    ended.push(...host.recovery.operations.map(({ outcome }) => outcome));
    await expectConsistent(temp, host, others);
  }
  const names = filesBelow(temp.root);
  await using again = await temp.write();
  expect(again.recovery.operations).toEqual([]);
  // What an open host has: the lock's holder, and the database's log.
  const transient = /^state\/(lock-holder\.json|.*-(wal|shm|journal))$/;
  expect(filesBelow(temp.root).filter((name) => !transient.test(name))).toEqual(
    names.filter((name) => !transient.test(name)),
  );
  return ended;
}
