import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { run } from "../src/index.ts";
import { MemoryIo } from "./memory-io.ts";

async function script(shell: string): Promise<string> {
  const io = new MemoryIo();
  expect(await run(["completion", shell], io)).toBe(0);
  return io.out;
}

/** What bash offers for the last of these words. */
async function offered(...words: readonly string[]): Promise<readonly string[]> {
  const list = words.map((word) => `'${word}'`).join(" ");
  const ask = `COMP_WORDS=(luksmith ${list}); COMP_CWORD=${words.length}; _luksmith; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const out = execFileSync("bash", ["-c", `${await script("bash")}\n${ask}`], { encoding: "utf8" });
  return out.split("\n").filter((word) => word !== "");
}

describe("completion", () => {
  test("bash completes commands, below commands too", async () => {
    expect(await offered("")).toEqual(expect.arrayContaining(["plan", "create", "secret", "completion"]));
    expect(await offered("re")).toEqual(expect.arrayContaining(["resize", "rebase", "rekey", "recover"]));
    expect(await offered("secret", "")).toEqual(["reveal"]);
    expect(await offered("--json", "config", "s")).toEqual(["show"]);
    expect(await offered("completion", "f")).toEqual(["fish"]);
  });

  test("bash completes options and what they can be", async () => {
    expect(await offered("snapshot", "a", "--")).toEqual(
      expect.arrayContaining(["--format", "--plain", "--json", "--config-file", "--help"]),
    );
    expect(await offered("list", "--v")).toEqual([]);
    expect(await offered("snapshot", "--format", "")).toEqual(["raw", "qcow2"]);
  });

  test("zsh and fish get every command with its description", async () => {
    const zsh = await script("zsh");
    expect(zsh).toMatch(/^#compdef luksmith\n/);
    expect(zsh).toContain("'reveal:print a passphrase");
    expect(zsh).toContain("--format) compadd -- raw qcow2");
    const fish = await script("fish");
    expect(fish).toContain(`complete -c luksmith -n '__luksmith_at "secret"' -f -a reveal -d '`);
    expect(fish).toContain(
      `complete -c luksmith -n '__luksmith_at "snapshot"' -l format -x -a 'raw qcow2' -d '`,
    );
  });
});
