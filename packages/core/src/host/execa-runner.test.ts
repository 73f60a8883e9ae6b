import { Passphrase } from "@luksmith/luks";
import { describe, expect, it } from "vitest";
import type { OpContext } from "../image/op-context.ts";
import { silentLogger } from "../log/logger.ts";
import { ExecaRunner } from "./execa-runner.ts";
import { openTmpfsFile } from "../command/tmpfs-file.ts";

const context = (signal = new AbortController().signal): OpContext => ({
  requestId: "req-test",
  signal,
  log: silentLogger,
});
const runner = new ExecaRunner();

describe("ExecaRunner", () => {
  it("gives output and exit code", async () => {
    const result = await runner.run({ file: "sh", args: ["-c", "echo out; echo err >&2"] }, context());
    expect(result).toEqual({ exitCode: 0, stdout: "out\n", stderr: "err\n" });
  });

  it("accepts the exit codes it was told to", async () => {
    const result = await runner.run({ file: "sh", args: ["-c", "exit 4"], okExitCodes: [0, 4] }, context());
    expect(result.exitCode).toBe(4);
  });

  it("turns another exit code into CommandFailed with what the tool said", async () => {
    const failing = runner.run({ file: "sh", args: ["-c", "echo no such volume >&2; exit 5"] }, context());
    await expect(failing).rejects.toMatchObject({
      code: "CommandFailed",
      details: { exitCode: 5, stderr: "no such volume" },
    });
  });

  it("names the Debian package of a missing program", async () => {
    const path = process.env["PATH"];
    await expect(runner.run({ file: "no-such-program-here", args: [] }, context())).rejects.toMatchObject({
      code: "CommandNotFound",
    });
    expect(process.env["PATH"]).toBe(path);
  });

  it("kills a program at its time-out", async () => {
    const hanging = runner.run({ file: "sleep", args: ["60"], timeoutMs: 50 }, context());
    await expect(hanging).rejects.toMatchObject({
      code: "CommandTimedOut",
      category: "timeout",
      retryable: true,
    });
  });

  it("kills a program when the operation is cancelled", async () => {
    const abort = new AbortController();
    const hanging = runner.run({ file: "sleep", args: ["60"] }, context(abort.signal));
    setTimeout(() => abort.abort(new Error("enough")), 30);
    await expect(hanging).rejects.toMatchObject({ code: "Cancelled" });
  });

  it("refuses endless output", async () => {
    const noisy = runner.run(
      { file: "sh", args: ["-c", "yes"], maxOutputBytes: 1000, timeoutMs: 20_000 },
      context(),
    );
    await expect(noisy).rejects.toThrow(/printed more than expected/);
  });

  it("invariant 2: hands secrets over as nameless descriptors, not in arguments or environment", async () => {
    using secret = Passphrase.take(Buffer.from("s3cret-canary"));
    const look =
      "cat /dev/fd/3; echo; tr '\\0' ' ' < /proc/$$/cmdline; tr '\\0' ' ' < /proc/$$/environ; readlink /proc/$$/fd/3";
    const { stdout } = await runner.run({ file: "sh", args: ["-c", look], secretFds: [secret] }, context());
    const [content, ...rest] = stdout.split("\n");
    expect(content).toBe("s3cret-canary");
    expect(rest.join("\n")).not.toContain("s3cret-canary");
    expect(rest.join("\n")).toContain("(deleted)");
  });

  it("lends open files after the secrets", async () => {
    using secret = Passphrase.take(Buffer.from("three"));
    const file = await openTmpfsFile();
    try {
      await file.write("four");
      const { stdout } = await runner.run(
        { file: "cat", args: ["/dev/fd/3", "/dev/fd/4"], secretFds: [secret], inheritFds: [file.fd] },
        context(),
      );
      expect(stdout).toBe("threefour");
    } finally {
      await file.close();
    }
  });

  it("gives a minimal environment", async () => {
    process.env["LUKSMITH_TEST_LEAK"] = "leak";
    const { stdout } = await runner.run({ file: "env", args: [] }, context());
    delete process.env["LUKSMITH_TEST_LEAK"];
    expect(stdout).not.toContain("LUKSMITH_TEST_LEAK");
    expect(stdout).toContain("LC_ALL=C");
  });

  it("writes a secret to standard input", async () => {
    using secret = Passphrase.take(Buffer.from("by stdin"));
    const { stdout } = await runner.run({ file: "cat", args: [], stdin: secret }, context());
    expect(stdout).toBe("by stdin");
  });
});
