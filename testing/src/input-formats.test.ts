import { randomUUID } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInstance } from "@luksmith/core/host";
import { describe, expect, test } from "vitest";
import { qemuDecrypt } from "./oracles/qemu.ts";
import { digestOf } from "./oracles/raw-bytes.ts";
import { runTool } from "./run-tool.ts";
import { randomImage } from "./source-image.ts";
import { tempDirectory } from "./temp-directory.ts";
import { passphraseOf, type TempHost, tempHost } from "./temp-host.ts";
import { testContext } from "./workspace.ts";

const MIB = 1024 * 1024;

/** What QEMU converts a disk to, and how Glance declares it. */
const FORMATS: readonly [diskFormat: string, ...convert: string[]][] = [
  ["raw", "-O", "raw"],
  ["qcow2", "-O", "qcow2"],
  ["qcow2", "-O", "qcow2", "-c"],
  ["qcow2", "-O", "qcow2", "-o", "compat=0.10"],
  ["vmdk", "-O", "vmdk", "-o", "subformat=monolithicSparse"],
  ["vmdk", "-O", "vmdk", "-o", "subformat=streamOptimized"],
  ["vhd", "-O", "vpc", "-o", "force_size=on,subformat=dynamic"],
  ["vhd", "-O", "vpc", "-o", "force_size=on,subformat=fixed"],
  ["vhdx", "-O", "vhdx"],
  ["ami", "-O", "raw"],
];

function hostOf(backend: string): TempHost {
  const temp = tempHost();
  const text = readFileSync(temp.configFile, "utf8").replace("images_type = raw", `images_type = ${backend}`);
  writeFileSync(temp.configFile, text.replace("backend-raw", `backend-${backend}`));
  return temp;
}

describe.each(["raw", "qcow2"] as const)("a %s disk", (backend) => {
  test.each(FORMATS)(
    "made of an image declared %s (%s %s %s %s) is its content",
    async (diskFormat, ...convert) => {
      const [temp, scratch] = [hostOf(backend), tempDirectory()];
      const digest = randomImage(join(scratch, "image"), 3 * MIB);
      const id = randomUUID();
      await runTool("qemu-img", [
        "convert",
        "-f",
        "raw",
        ...convert,
        join(scratch, "image"),
        temp.imageFile(id),
      ]);
      await using host = await temp.write();
      const { disks } = await createInstance(host, await temp.request(id, { diskFormat }), testContext());
      const [disk] = disks;
      using passphrase = await passphraseOf(host, disk?.encryption?.secretId);
      const plain = join(scratch, "plain");
      await qemuDecrypt({ path: disk?.path ?? "", format: backend, passphrase }, plain);
      expect(await digestOf(plain)).toBe(digest);
    },
  );
});
