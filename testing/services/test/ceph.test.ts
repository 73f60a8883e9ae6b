import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";
import { type CephInfo, sharedCeph, startCeph } from "../src/index.ts";

test("its user may use its pool, and no other", async () => {
  const ceph = await sharedCeph();
  await ceph.rbd(["create", "--size", "1M", `${ceph.pool}/of-the-user`]);
  expect(await ceph.rbd(["ls", ceph.pool])).toContain("of-the-user\n");
  await ceph.rbd(["rm", "--no-progress", `${ceph.pool}/of-the-user`]);
  await expect(ceph.rbd(["ls", ceph.foreignPool])).rejects.toThrow("Operation not permitted");
  await expect(ceph.rbd(["ls", ceph.pool], { as: "nobody" })).rejects.toThrow("Permission denied");
}, 120_000);

test("several run side by side; a daemon that hangs goes on; nothing is left", async () => {
  const ceph = await startCeph();
  const shared = await sharedCeph();
  expect(ceph.info.fsid).not.toBe(shared.info.fsid);
  ceph.hang("osd");
  const late = ["--rados-osd-op-timeout", "1"];
  await expect(ceph.rbd(["ls", ceph.pool, ...late])).rejects.toThrow("timed out");
  ceph.goOn("osd");
  expect(await ceph.rbd(["ls", ceph.pool])).toBe("");
  await ceph[Symbol.asyncDispose]();
  await ceph[Symbol.asyncDispose]();
  expect(existsSync(ceph.info.stateDirectory)).toBe(false);
  expect(daemonsOf(ceph.info)).toEqual([]);
}, 120_000);

test("nothing is left when the process that started it is killed", async () => {
  const program = join(import.meta.dirname, "start-ceph-and-wait.ts");
  const child = spawn(process.execPath, ["--conditions=luksmith-source", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  const info = JSON.parse(line) as CephInfo;
  expect(daemonsOf(info).length).toBe(2);
  child.kill("SIGKILL");
  await once(child, "exit");
  await expect.poll(() => daemonsOf(info), { timeout: 20_000 }).toEqual([]);
  await expect.poll(() => existsSync(info.stateDirectory), { timeout: 20_000 }).toBe(false);
}, 120_000);

/** Its processes that still run. */
function daemonsOf({ stateDirectory }: CephInfo): readonly string[] {
  return readdirSync("/proc").filter((entry) => {
    if (!/^\d+$/.test(entry)) return false;
    try {
      const [program = "", ...words] = readFileSync(`/proc/${entry}/cmdline`, "utf8").split("\0");
      return program.startsWith("ceph-") && words.includes(`${stateDirectory}/ceph.conf`);
    } catch {
      return false;
    }
  });
}
