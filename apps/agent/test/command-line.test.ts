import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run } from "../src/index.ts";
import { MemoryIo } from "./memory-io.ts";
import { type Ran, TemporaryHost } from "./temporary-host.ts";

const EMPTY = { instances: [], snapshots: [], unfinished: [] };

let host: TemporaryHost;
beforeAll(async () => void (host = await TemporaryHost.create()));
afterAll(() => host[Symbol.asyncDispose]());

/** Without the configuration file that `TemporaryHost.run` adds. */
async function bare(...argv: readonly string[]): Promise<Ran> {
  const io = new MemoryIo({ cwd: host.path });
  const exitCode = await run(argv, io);
  return { exitCode, out: io.out, err: io.err };
}

describe("global options", () => {
  test.each([
    ["before", ["--json", "list"]],
    ["after", ["list", "--json"]],
  ])("--json is taken %s the command", async (_where, argv) => {
    const { exitCode, out, err } = await host.run(argv);
    expect([exitCode, JSON.parse(out), err]).toEqual([0, EMPTY, ""]);
  });

  test("--config-file is taken before and after the command, and repeated", async () => {
    const { configFile } = host;
    expect((await bare("--config-file", configFile, "list")).exitCode).toBe(0);
    expect((await bare("list", "--config-file", configFile)).exitCode).toBe(0);
    const both = await bare(
      "--json",
      "--config-file",
      configFile,
      "config",
      "show",
      `--config-file=${configFile}`,
    );
    expect(JSON.parse(both.out)).toMatchObject({ files: [configFile, configFile] });
  });

  test("a configuration file that is not there is an error of the configuration", async () => {
    const { exitCode, out, err } = await bare("list", "--config-file", "/nonexistent.conf", "--json");
    expect([exitCode, out]).toEqual([78, ""]);
    expect(JSON.parse(err)).toEqual({
      error: {
        code: "ConfigNotFound",
        category: "config",
        message: expect.stringContaining("/nonexistent.conf") as string,
        retryable: false,
        details: { file: "/nonexistent.conf" },
      },
    });
  });
});

describe("a wrong command line", () => {
  test.each([
    [["nonsense"], "unknown command 'nonsense'"],
    [["lst"], "Did you mean list?"],
    [["list", "--nonsense"], "unknown option '--nonsense'"],
    [["show"], "missing required argument 'ID'"],
    [["show", "a", "b"], "too many arguments"],
    [["create"], "required option '-f, --file <REQUEST>' not specified"],
    [["snapshot", "a", "disk", "t", "--format", "vmdk"], "Allowed choices are raw, qcow2"],
    [["completion", "tcsh"], "Allowed choices are bash, zsh, fish"],
    [["resize", "a", "disk", "big"], "big is not a size"],
    [["secret"], "no command was given"],
    [[], "no command was given"],
  ])("%j: %s", async (argv, message) => {
    const { exitCode, out, err } = await host.run(argv);
    expect([exitCode, out]).toEqual([64, ""]);
    expect(err).toMatch(/^luksmith: UsageError: (?!error)/);
    expect(err).toContain(message);
  });

  test("is one JSON object on standard error with --json", async () => {
    const { exitCode, out, err } = await bare("--json", "nonsense");
    expect([exitCode, out]).toEqual([64, ""]);
    expect(JSON.parse(err)).toMatchObject({ error: { code: "UsageError", category: "input" } });
  });
});

describe("what the program says of itself", () => {
  test("--version", async () => {
    expect(await bare("--version")).toEqual({
      exitCode: 0,
      out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
      err: "",
    });
  });

  test("--help has the commands and the exit codes", async () => {
    const { exitCode, out, err } = await bare("--help");
    expect([exitCode, err]).toEqual([0, ""]);
    for (const part of ["plan", "secret", "Exit codes:", "130"]) expect(out).toContain(part);
  });

  test("the help of a command has the global options too", async () => {
    const { out } = await bare("resize", "--help");
    expect(out).toContain("<SIZE>");
    expect(out).toContain("--config-file");
  });
});

describe("the request", () => {
  const plan = (stdin: string): Promise<Ran> => host.run(["plan", "-f", "-"], new MemoryIo({ stdin }));

  test("is refused with the position where it stops being JSON", async () => {
    const { exitCode, err } = await plan('{\n  "server": nil\n}');
    expect([exitCode, err]).toEqual([
      64,
      expect.stringContaining("InvalidRequest: standard input:2:13: not JSON: "),
    ]);
  });

  test("is refused when it is larger than 4 MiB or no text", async () => {
    expect((await plan(" ".repeat(4 * 1024 * 1024 + 1))).err).toContain("larger than 4 MiB");
    const io = new MemoryIo({ stdin: Buffer.from([0x22, 0xff, 0x22]) });
    expect(await run(["plan", "-f", "-", "--config-file", host.configFile], io)).toBe(64);
    expect(io.err).toContain("not UTF-8");
  });

  test("is looked for from the caller's directory", async () => {
    const { exitCode, err } = await host.run(["plan", "-f", "nothing.json"]);
    expect([exitCode, err]).toEqual([
      64,
      expect.stringContaining(`FileUnreadable: ${host.path}/nothing.json`),
    ]);
    expect((await host.run(["plan", "-f", "."])).err).toContain("FileUnreadable: ");
  });
});

describe("the configuration and the plugins", () => {
  test("config show gives each value with its source", async () => {
    const { options } = await host.json<{ options: readonly Record<string, unknown>[] }>(["config", "show"]);
    const source = { file: host.configFile, line: 4 };
    expect(options).toContainEqual({ section: "libvirt", name: "images_type", value: "raw", source });
    expect(options).toContainEqual(
      expect.objectContaining({ name: "rbd_user", value: null, source: "default" }),
    );
    const { out } = await host.run(["config", "show"]);
    expect(out).toContain(`[libvirt]\n# ${host.configFile}:4\nimages_type = raw\n`);
  });

  test("plugins list says what the plugins provide", async () => {
    expect(await host.json(["plugins", "list"])).toMatchObject({
      ok: true,
      plugins: ["@luksmith/backend-raw", "@luksmith/backend-qcow2", "@luksmith/keymgr-local"],
      backends: [
        {
          name: "raw",
          chosen: true,
          formats: ["raw"],
          encryption: ["luks"],
          resize: true,
          snapshot: ["raw", "qcow2"],
          overlays: false,
        },
        {
          name: "qcow2",
          chosen: false,
          formats: ["qcow2"],
          encryption: ["luks"],
          resize: true,
          snapshot: ["raw", "qcow2"],
          overlays: true,
        },
      ],
      key_manager: "local",
      image_service: "directory",
    });
    expect((await host.run(["plugins", "list"])).out).toContain("raw (chosen)");
  });

  test("a plugin that cannot be loaded stops the command", async () => {
    await host.configure("plugins = @luksmith/backend-raw, /nonexistent/plugin.js");
    const { exitCode, err } = await host.run(["plugins", "list"]);
    expect([exitCode, err]).toEqual([78, expect.stringContaining("luksmith: PluginNotLoadable: ")]);
    await host.configure();
  });
});
