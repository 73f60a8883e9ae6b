import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { Workspace } from "./peer-tools.ts";

const root = fileURLToPath(new URL("../", import.meta.url));

/** Uses the engine and never disposes it: the process must end all the same. */
const program = (index: string): string => `
  const { LuksEngine, GeneratedPassphrase } = await import(${JSON.stringify(index)});
  const engine = new LuksEngine();
  const passphrase = GeneratedPassphrase.create();
  const { header } = await engine.format({ uuid: crypto.randomUUID(), passphrase });
  console.log("formatted", header.payloadOffset);`;

function node(source: string): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, ["--input-type=module", "-e", source], {
    encoding: "utf8",
    timeout: 20_000,
  });
}

describe("the worker thread outside of vitest", () => {
  it("starts from the sources, and does not keep the process alive", () => {
    const { status, stdout, stderr } = node(program(new URL("../src/index.ts", import.meta.url).href));
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: "formatted 4096\n", stderr: "" });
  });

  it("starts from the built package", { timeout: 60_000 }, () => {
    using space = new Workspace();
    const tsc = fileURLToPath(new URL("../../node_modules/.bin/tsc", new URL("./", import.meta.url)));
    const out = space.file("dist");
    const options = ["-p", root, "--outDir", out, "--tsBuildInfoFile", space.file("tsbuildinfo")];
    const built = spawnSync(tsc.replace("/packages/node_modules/", "/node_modules/"), options, {
      encoding: "utf8",
    });
    expect(built.stdout + built.stderr).toBe("");
    writeFileSync(space.file("package.json"), '{"type":"module"}');
    const { status, stdout, stderr } = node(program(`file://${out}/index.js`));
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: "formatted 4096\n", stderr: "" });
  });

  it("is waited for while a job runs, also when nothing else is", () => {
    const index = new URL("../src/index.ts", import.meta.url).href;
    const { status, stdout } = node(`${program(index)}
      engine.copy({ from: "zero", to: { fd: 1, offset: 0n }, length: 1n, extents: [] })
        .then(() => console.log("copied"));`);
    expect([status, stdout]).toEqual([0, "formatted 4096\ncopied\n"]);
  });
});
