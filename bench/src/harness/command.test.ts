import { describe, expect, test } from "vitest";
import { CommandFailure, measureCommand, SECRET_PATH } from "./command.ts";

const shell = (script: string) => ({ file: "sh", args: ["-c", script] });

describe("measureCommand", () => {
  test("tells CPU time from waiting", async () => {
    const { wallMs, cpuMs } = await measureCommand(shell("sleep 0.2"));
    expect(wallMs).toBeGreaterThanOrEqual(200);
    expect(cpuMs).toBeLessThan(100);
  });

  test("counts the CPU time of a program's children", async () => {
    const burn = "sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done'";
    const { cpuMs } = await measureCommand(shell(`${burn}; true`));
    expect(cpuMs).toBeGreaterThan(20);
  });

  test("gives the secret as a file that can be read more than once", async () => {
    const secret = Buffer.from("open sesame");
    const { stdout } = await measureCommand({ ...shell(`cat ${SECRET_PATH} ${SECRET_PATH}`), secret });
    expect(stdout).toBe("open sesameopen sesame");
  });

  test("a failure carries what the program said, without the times", async () => {
    const failure = await measureCommand(shell("printf broken >&2; exit 3")).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(CommandFailure);
    expect(failure).toMatchObject({ stderr: "broken" });
    expect(String(failure)).toContain("ended with exit code 3: broken");
  });
});
