import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { GeneratedPassphrase, type KeyManager, LuksmithError } from "@luksmith/core";
import { flattenDisk, rekeyDisks, type WritableHost } from "@luksmith/core/host";
import { describe, expect, test } from "vitest";
import { expectRefusal } from "./expect-refusal.ts";
import { cryptsetupOpens } from "./oracles/cryptsetup.ts";
import { runTool } from "./run-tool.ts";
import { withSecretFile } from "./secret-file.ts";
import { addDisk, type DiskHost, diskHost, recoverDisk } from "./sweep-disk.ts";
import { passphraseOf } from "./temp-host.ts";
import { testContext } from "./workspace.ts";

const MIB = 1024 * 1024;

/** Rekeys the one disk of an instance with a key manager that has a fault. */
async function rekeyWith(
  { temp }: DiskHost,
  id: string,
  faultOf: (keys: KeyManager, stop: AbortController) => Partial<KeyManager>,
): Promise<unknown> {
  await using host = await temp.write();
  const { keys } = await host.services();
  const stop = new AbortController();
  Object.assign(keys, faultOf(keys, stop));
  const error = await rekeyDisks(
    host,
    instanceOf(host, id),
    undefined,
    testContext({ signal: stop.signal }),
  ).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return error;
}

function instanceOf(host: WritableHost, id: string) {
  const instance = host.inventory.instance(id);
  if (!instance) throw new Error(`${id} is not there`);
  return instance;
}

async function secretOf({ temp }: DiskHost, id: string): Promise<string> {
  await using host = await temp.read();
  return host.inventory?.instance(id)?.disks[0]?.encryption?.secretId ?? "";
}

const away = (): never => {
  throw new LuksmithError("KeyManagerUnavailable", "the test switched it off", { retryable: true });
};

describe("a rekey", { timeout: 60_000 }, () => {
  test("whose old secret cannot be deleted is in force, and finished by the next command", async () => {
    const host = diskHost("raw", 2 * MIB);
    const { id, path } = await addDisk(host);
    const old = await secretOf(host, id);
    const error = await rekeyWith(host, id, () => ({ delete: async () => away() }));
    expect(error).toMatchObject({
      code: "EphemeralEncryptionCleanupFailed",
      cause: { code: "KeyManagerUnavailable" },
    });
    expect(await secretOf(host, id)).not.toBe(old);
    expect(await recoverDisk(host, path, 1)).toEqual(["finished"]);
  });

  test.each<[string, Parameters<typeof rekeyWith>[2], string]>([
    ["does not take the new secret", () => ({ create: async () => away() }), "KeyManagerUnavailable"],
    ["does not give the secrets", () => ({ get: async () => away() }), "KeyManagerUnavailable"],
    [
      "gives another secret than it was given",
      (keys) => {
        const get = keys.get.bind(keys);
        return { get: async (ref, ctx) => (await get(ref, ctx), GeneratedPassphrase.create()) };
      },
      "DiskNotProven",
    ],
    [
      "is so slow that nobody waits for it",
      (keys, stop) => {
        const create = keys.create.bind(keys);
        return {
          create: async (request, ctx) => {
            const ref = await create(request, ctx);
            stop.abort(new Error("enough"));
            return ref;
          },
        };
      },
      "Cancelled",
    ],
  ])("leaves the disk untouched when the key manager %s", async (_, faultOf, code) => {
    const host = diskHost("raw", 2 * MIB);
    const { id, path } = await addDisk(host);
    const before = [await secretOf(host, id), readFileSync(path)];
    expect(await rekeyWith(host, id, faultOf)).toMatchObject({ code });
    expect(await recoverDisk(host, path, 1)).toEqual([]);
    expect([await secretOf(host, id), readFileSync(path)]).toEqual(before);
  });

  test("leaves a key alone that the operator has added", async () => {
    const { temp, ...rest } = diskHost("raw", 2 * MIB);
    const { id, path } = await addDisk({ temp, ...rest });
    using rescue = GeneratedPassphrase.create();
    await using host = await temp.write();
    {
      using stored = await passphraseOf(host, host.inventory.instance(id)?.disks[0]?.encryption?.secretId);
      await withSecretFile(stored, (now) =>
        withSecretFile(rescue, (more) =>
          runTool(
            "cryptsetup",
            ["luksAddKey", "--pbkdf-force-iterations", "1000", "--key-file", "/dev/fd/3", path, "/dev/fd/4"],
            { fds: [now, more] },
          ),
        ),
      );
    }
    for (let round = 0; round < 3; round++) {
      const [disk] = await rekeyDisks(host, instanceOf(host, id), "disk", testContext());
      using stored = await passphraseOf(host, disk?.encryption?.secretId);
      expect(await cryptsetupOpens(path, stored)).toBe(true);
      expect(await cryptsetupOpens(path, rescue)).toBe(true);
    }
  });
});

test("a disk that a guest has open is neither rekeyed nor flattened, and nothing is left of the attempt", async () => {
  const { temp, ...rest } = diskHost("qcow2", 2 * MIB);
  const { id, path } = await addDisk({ temp, ...rest });
  const guest = spawn("qemu-io", ["-f", "raw", path], { stdio: ["pipe", "pipe", "ignore"] });
  guest.stdin.write("read 0 512\n");
  await once(guest.stdout, "data");
  await using host = await temp.write();
  try {
    const instance = instanceOf(host, id);
    await expectRefusal(() => rekeyDisks(host, instance, undefined, testContext()), "DiskInUse");
    await expectRefusal(() => flattenDisk(host, instance, "disk", testContext()), "DiskInUse");
    expect(host.journal.unfinished()).toEqual([]);
  } finally {
    guest.stdin.end("quit\n");
    await once(guest, "close");
  }
  await flattenDisk(host, instanceOf(host, id), "disk", testContext());
});
