import { spawn } from "node:child_process";
import { once } from "node:events";
import { rekeyMany } from "@luksmith/core/host";
import { expect, test } from "vitest";
import { addDisk, diskHost } from "./sweep-disk.ts";
import { testContext } from "./workspace.ts";

const MIB = 1024 * 1024;

test(
  "passphrases that are due are changed, and one that cannot be does not keep the others",
  { timeout: 120_000 },
  async () => {
    const host = diskHost("qcow2", MIB);
    const made = [await addDisk(host), await addDisk(host), await addDisk(host)];
    const [first, busy] = made;
    await using writable = await host.temp.write();
    const secretOf = (id: string) => writable.inventory.instance(id)?.disks[0]?.encryption?.secretId ?? null;
    const before = made.map(({ id }) => secretOf(id));

    // Nothing is that old.
    const none = await rekeyMany(writable, { instance: undefined, olderThan: new Date(0) }, testContext());
    expect(none.map(({ outcome }) => outcome)).toEqual(["younger", "younger", "younger"]);
    expect(made.map(({ id }) => secretOf(id))).toEqual(before);

    const due = new Date(Date.now() + 1);
    while (Date.now() <= due.getTime()) await new Promise((resolve) => setTimeout(resolve, 5));
    const guest = spawn("qemu-io", ["-f", "raw", busy?.path ?? ""], { stdio: ["pipe", "pipe", "ignore"] });
    guest.stdin.write("read 0 512\n");
    await once(guest.stdout, "data");
    try {
      const steps: string[] = [];
      const ctx = testContext({ progress: ({ step }) => void steps.push(step) });
      const rotated = await rekeyMany(writable, { instance: undefined, olderThan: due }, ctx);
      expect(rotated.map(({ instance, outcome, error }) => [instance, outcome, error?.code])).toEqual(
        made.map(({ id }) => (id === busy?.id ? [id, "failed", "DiskInUse"] : [id, "rekeyed", undefined])),
      );
      expect(steps).toContain("rekey disk 3 of 3");
      expect(secretOf(busy?.id ?? "")).toBe(before[1]);
      expect(rotated.map((each) => each.encryption_secret_uuid)).toEqual(made.map(({ id }) => secretOf(id)));
    } finally {
      guest.stdin.end("quit\n");
      await once(guest, "close");
    }
    // The same again does what is left: what was done is younger.
    const again = await rekeyMany(writable, { instance: undefined, olderThan: due }, testContext());
    expect(again.map(({ instance, outcome }) => [instance, outcome])).toEqual([
      [busy?.id, "rekeyed"],
      ...made.filter(({ id }) => id !== busy?.id).map(({ id }) => [id, "younger"]),
    ]);
    const one = await rekeyMany(writable, { instance: first?.id, olderThan: undefined }, testContext());
    expect(one.map(({ outcome }) => outcome)).toEqual(["rekeyed"]);
    expect(writable.journal.unfinished()).toEqual([]);
  },
);
