import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { DiskDocument, InstanceDocument } from "../src/output/disk-document.ts";
import { TemporaryHost } from "./temporary-host.ts";

let host: TemporaryHost;

beforeAll(async () => {
  host = await TemporaryHost.create();
  await host.configure("plugins = @luksmith/backend-raw, @luksmith/backend-qcow2, @luksmith/keymgr-local");
});
afterAll(() => host[Symbol.asyncDispose]());

function chooseBackend(name: "raw" | "qcow2"): void {
  const text = readFileSync(host.configFile, "utf8");
  writeFileSync(host.configFile, text.replace(/images_type = \w+/, `images_type = ${name}`));
}

async function create(): Promise<{ id: string; disks: readonly DiskDocument[] }> {
  const request = host.request({ disk: 0, ephemeral: 0, swap: 16 });
  const { uuid, disks } = await host.json<InstanceDocument>(["create", "-f", "-"], request);
  return { id: uuid, disks };
}

/** Whether cryptsetup opens a raw disk with what `secret reveal` gives. */
async function opens(path: string, secret: string): Promise<boolean> {
  const { out } = await host.run(["secret", "reveal", secret]);
  const args = ["open", "--test-passphrase", "--type", "luks1", "--key-file=-", path];
  try {
    execFileSync("cryptsetup", args, { input: out, stdio: "pipe" });
    return true;
  } catch {
    return false;
  }
}

const secretsOf = (disks: readonly DiskDocument[]): readonly string[] =>
  disks.map((disk) => disk.encryption_secret_uuid ?? "");

describe("rekey", () => {
  test("gives one disk, or all, a new passphrase, and says so wherever the old one was named", async () => {
    chooseBackend("raw");
    const { id, disks } = await create();
    const [root = "", swap = ""] = secretsOf(disks);
    const one = await host.json<{ uuid: string; disks: readonly DiskDocument[] }>(["rekey", id, "disk.swap"]);
    expect(one).toMatchObject({ uuid: id, disks: [{ name: "disk.swap" }] });
    const all = await host.json<{ disks: readonly DiskDocument[] }>(["rekey", id]);
    expect(all.disks.map(({ name }) => name)).toEqual(["disk", "disk.swap"]);
    const shown = await host.json<InstanceDocument & Record<string, unknown>>(["show", id]);
    expect(shown.disks).toEqual(all.disks);
    const known = [root, swap, ...secretsOf(one.disks), ...secretsOf(all.disks)];
    expect(new Set(known).size).toBe(5);
    const text = JSON.stringify(shown);
    for (const old of known.slice(0, 3)) {
      expect(text).not.toContain(old);
      expect((await host.run(["secret", "reveal", old])).exitCode).toBe(66);
    }
    for (const { path, encryption_secret_uuid: secret, xml } of shown.disks) {
      expect(await opens(path, secret ?? "")).toBe(true);
      expect(xml).toContain(`uuid='${secret}'`);
      // Nova's two documents name it, too: disk_info the root disk twice.
      for (const document of ["disk_info", "block_device_info"]) {
        expect(JSON.stringify(shown[document])).toContain(`"encryption_secret_uuid":"${secret}"`);
      }
    }
    expect((await host.run(["verify", id])).exitCode).toBe(0);
    expect((await host.run(["rekey", id])).out).toMatch(/^ {2}disk: .*\n/);
    expect((await host.run(["delete", id])).exitCode).toBe(0);
  });

  test("refuses a disk that is not there, and one that is not encrypted", async () => {
    const request = host.request({ disk: 0, ephemeral: 0, swap: 0, extra_specs: {} });
    const { uuid } = await host.json<InstanceDocument>(["create", "-f", "-"], request);
    for (const [argv, code] of [
      [["rekey", uuid, "disk.nope"], 66],
      [["rekey", uuid, "disk"], 69],
      [["rekey", uuid], 69],
      [["flatten", uuid, "disk"], 69],
      [["rebase", uuid, "disk", "--base", "elsewhere"], 69],
      [["rebase", uuid, "disk"], 64],
    ] as const) {
      expect([argv.join(" "), (await host.run(argv)).exitCode]).toEqual([argv.join(" "), code]);
    }
    expect(await host.json(["recover"])).toEqual({ operations: [] });
  });
});

describe("a disk on a base", () => {
  test("goes over to a copy, then stands alone; the cache may have its base, XML and inventory say so", async () => {
    chooseBackend("qcow2");
    const { id, disks } = await create();
    const [disk] = disks;
    if (!disk) throw new Error("it was made with one");
    const { xml, path } = disk;
    const base = /<backingStore.*?file='([^']+)'/s.exec(xml)?.[1] ?? "";
    expect(existsSync(base)).toBe(true);
    copyFileSync(base, join(host.path, "copy"));
    const moved = await host.json<DiskDocument>(["rebase", id, "disk", "--base", "copy"]);
    expect(moved).toMatchObject({ instance: id, name: "disk" });
    expect(moved.xml).toBe(xml.replace(base, join(host.path, "copy")));
    const usersOf = async (): Promise<readonly string[]> => {
      const { bases } = await host.json<{ bases: { path: string; used_by: readonly string[] }[] }>([
        "cache",
        "list",
      ]);
      return bases.find((each) => each.path === base)?.used_by ?? [];
    };
    expect(await usersOf()).toEqual([]);

    // A copy that was lost and put back is another file: taken only when told to.
    copyFileSync(join(host.path, "copy"), join(host.path, "saved"));
    rmSync(join(host.path, "copy"));
    copyFileSync(join(host.path, "saved"), join(host.path, "copy"));
    expect((await host.run(["verify", id])).exitCode).toBe(65);
    expect((await host.run(["rebase", id, "disk", "--base", "copy"])).exitCode).toBe(65);
    await host.json(["rebase", id, "disk", "--base", "copy", "--trust-base"]);
    expect((await host.run(["verify", id])).exitCode).toBe(0);
    writeFileSync(join(host.path, "longer"), Buffer.alloc(4096), { flag: "a" });
    expect((await host.run(["rebase", id, "disk", "--base", "longer", "--trust-base"])).exitCode).toBe(65);

    const flat = await host.json<DiskDocument>(["flatten", id, "disk"]);
    expect(flat.xml).not.toContain("backingStore");
    expect(await host.json(["flatten", id, "disk"])).toEqual(flat);
    const shown = await host.json<InstanceDocument>(["show", id]);
    expect({ instance: id, ...shown.disks[0] }).toEqual(flat);
    // Of the one disk that was changed, not of all that the instance has.
    interface Line {
      readonly event: string;
      readonly instance?: string;
      readonly disk?: { readonly name: string };
    }
    const { lines } = await host.json<{ lines: readonly Line[] }>(["audit", "export"]);
    const told = lines.filter((line) => line.instance === id && /flattened|rebased/.test(line.event));
    expect(told.map(({ event, disk: of }) => `${event} ${of?.name}`)).toEqual([
      "disk.rebased disk",
      "disk.rebased disk",
      "disk.flattened disk",
    ]);
    rmSync(join(host.path, "copy"));
    expect((await host.run(["verify", id])).exitCode).toBe(0);
    expect(readFileSync(path).includes(host.image.subarray(0, 4096))).toBe(false);
    const pruned = await host.json<{ bases: { path: string; removed: boolean }[] }>([
      "cache",
      "prune",
      "--all-unused",
    ]);
    expect(pruned.bases.find((each) => each.path === base)?.removed).toBe(true);
    expect((await host.run(["rekey", id])).exitCode).toBe(0);
    expect((await host.run(["verify", id])).exitCode).toBe(0);
    expect((await host.run(["delete", id])).exitCode).toBe(0);
  });
});
