import { describe, expect, test } from "vitest";
import { ProgressLine } from "../src/output/progress-line.ts";
import { MemoryIo } from "./memory-io.ts";
import { TemporaryHost } from "./temporary-host.ts";

const MIB = 1n << 20n;
const ERASE = "\r\u001b[K";

function line(): {
  io: MemoryIo;
  progress: ProgressLine;
  at: (ms: number, doneBytes: bigint, step?: string) => void;
} {
  const io = new MemoryIo({ isTTY: true });
  let now = 0;
  const progress = new ProgressLine(io.stderr, () => now);
  const at = (ms: number, doneBytes: bigint, step = "fill disk"): void => {
    now = ms;
    progress.update({ step, doneBytes, totalBytes: 100n * MIB });
  };
  return { io, progress, at };
}

describe("ProgressLine", () => {
  test("shows step, percent, bytes, rate and what is left, in place", () => {
    const { io, at } = line();
    at(0, 0n);
    at(1000, 25n * MIB);
    expect(io.err).toBe(
      `${ERASE}fill disk 0%, 0 bytes of 100 MiB${ERASE}fill disk 25%, 25 MiB of 100 MiB, 25 MiB/s, 3 s left`,
    );
  });

  test("writes ten times a second at most, however often it is told", () => {
    const { io, at } = line();
    for (let ms = 0; ms < 1000; ms += 1) at(ms, BigInt(ms) * 1000n);
    expect(io.err.split(ERASE).length - 1).toBe(10);
  });

  test("is erased in the end, and only if it was shown", () => {
    const { io, progress, at } = line();
    progress.clear();
    expect(io.err).toBe("");
    at(0, 0n);
    progress.clear();
    progress.clear();
    expect(io.err.endsWith(`MiB${ERASE}`)).toBe(true);
  });

  test("begins to count anew with each step, and never wraps", () => {
    const { io, at } = line();
    at(0, 50n * MIB);
    at(60_000, 60n * MIB, "x".repeat(200));
    expect(io.err.split(ERASE).at(-1)).toBe("x".repeat(79));
    at(61_000, 62n * MIB);
    expect(io.err.split(ERASE).at(-1)).toBe("fill disk 62%, 62 MiB of 100 MiB");
  });

  test("says long times in minutes and hours", () => {
    const { io, at } = line();
    at(0, 0n);
    at(1000, MIB);
    expect(io.err).toContain("1 min 39 s left");
    at(100_000, MIB);
    expect(io.err).toContain("2 h 45 min left");
  });
});

test("a command shows progress on a terminal only, and nothing of it stays", async () => {
  await using host = await TemporaryHost.create();
  const create = async (isTTY: boolean, ...argv: readonly string[]): Promise<string> => {
    const io = new MemoryIo({ isTTY, stdin: JSON.stringify(host.request()) });
    const { exitCode, err } = await host.run(["create", "-f", "-", ...argv], io);
    expect(exitCode).toBe(0);
    return err;
  };
  const shown = (await create(true)).split(ERASE);
  expect([shown[0], shown.at(-1)]).toEqual(["", ""]);
  expect(shown[1]).toMatch(/^write disk \d+%, /);
  expect(await create(true, "--json")).toBe("");
  expect(await create(false)).toBe("");
});
