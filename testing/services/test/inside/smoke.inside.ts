import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";

const run = promisify(execFile);
const group = process.env["LUKSMITH_TEST_VG"] ?? "";

describe("inside", () => {
  test("is another kernel, with a volume group of this run's own", async () => {
    const { stdout } = await run("vgs", ["--noheadings", "-o", "vg_name", group]);
    expect(stdout.trim()).toBe(group);
    const { stdout: release } = await run("uname", ["-n"]);
    expect(release).toBe("dm-kernel\n");
  });

  test("a volume takes direct writes", async () => {
    await run("lvcreate", ["-q", "-y", "-L", "4M", "-n", "direct", group]);
    const written = ["if=/dev/zero", `of=/dev/${group}/direct`, "bs=4096", "count=16", "oflag=direct"];
    const { stderr } = await run("dd", written);
    expect(stderr).toContain("65536 bytes");
  });

  test("what is skipped inside is skipped outside", ({ skip }) => {
    skip();
    expect.unreachable();
  });
});
