import { mkdirSync, readdirSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { sharedLibvirt } from "@luksmith/testing-services";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { TemporaryHost } from "./temporary-host.ts";

const PLUGINS = "plugins = @luksmith/backend-raw, @luksmith/keymgr-local, @luksmith/libvirt/plugin";

let uri = "";
beforeAll(async () => {
  ({ uri } = await sharedLibvirt());
}, 300_000);

let host: TemporaryHost;
let made: string[] = [];
beforeEach(async () => {
  host = await TemporaryHost.create();
  await host.configure(PLUGINS, "[libvirt]", `connection_uri = ${uri}`);
});
afterEach(async () => {
  for (const id of made) await host.run(["delete", id]);
  made = [];
  await host[Symbol.asyncDispose]();
});

/** A request for a small guest, with its file. */
async function request(): Promise<{ readonly id: string; readonly file: string }> {
  const document = host.request({ disk: 0, ephemeral: 0, swap: 4 });
  const file = join(host.path, "request.json");
  await writeFile(file, JSON.stringify(document));
  const { id } = document.server;
  made.push(id);
  return { id, file };
}

describe("a guest by commands", { timeout: 120_000 }, () => {
  test("is spawned, stopped, started, rebooted, rescued and deleted", async () => {
    const { id, file } = await request();
    const spawned = await host.json(["spawn", "-f", file, "--no-start"]);
    expect(spawned).toMatchObject({ uuid: id, guest: { wanted: "off" }, disks: [{}, {}] });
    expect(await host.json(["resume-guests"])).toEqual({ guests: [] });
    expect(await host.json(["start", id])).toEqual({ uuid: id, wanted: "on" });
    expect(await host.json(["resume-guests"])).toEqual({
      guests: [{ uuid: id, name: "vm", outcome: "running", running: true, error: null }],
    });
    expect((await host.run(["reboot", id, "--hard"])).out).toBe(`guest ${id} was started anew\n`);
    const rescued = await host.json([
      "rescue",
      id,
      "--image",
      host.imageId,
      "--format",
      "raw",
      "--timeout",
      "0",
    ]);
    expect(rescued).toEqual({ uuid: id, wanted: "on", rescued: true });
    expect(await host.json(["show", id])).toMatchObject({ disks: [{}, {}, { name: "disk.rescue" }] });
    expect(await host.json(["unrescue", id])).toMatchObject({ rescued: false });
    expect(await host.json(["stop", id, "--hard"])).toEqual({ uuid: id, wanted: "off" });
    expect(await host.json(["delete", id])).toEqual({ uuid: id, kind: "instance" });
    expect(readdirSync(join(host.path, "instances"))).toEqual([]);
  });

  test("is offered running, sent nowhere in clear, and taken back", async () => {
    const { id, file } = await request();
    await host.run(["spawn", "-f", file]);
    const { out } = await host.run(["move", "offer", id, "--live"]);
    const [move, target] = [join(host.path, "move.json"), join(host.path, "target.json")];
    await writeFile(move, out);
    // This host has it itself, and running.
    for (const how of ["expect", "adopt"]) {
      expect((await host.run(["move", how, move])).exitCode).toBe(how === "expect" ? 73 : 64);
    }
    const { disks } = JSON.parse(out) as { disks: Record<string, string>[] };
    const places = disks.map(({ uuid, name, backend, path, virtual_size, encryption }) => {
      const source = { type: "file", file: `${path}-there`, format: "raw" };
      return { uuid, name, backend, source, virtual_size, encryption };
    });
    const expected = {
      kind: "luksmith.move-target",
      version: 1,
      uuid: id,
      connection_uri: "",
      disks: places,
    };
    await writeFile(target, JSON.stringify(expected));
    const send = (...options: string[]) => host.run(["move", "send", id, target, ...options]);
    expect((await send()).exitCode).toBe(64);
    expect((await send("--to", "qemu+ssh://nowhere.example/system")).err).toContain("would be sent in clear");
    const tcp = ["--to", "qemu+tls://nowhere.example/system", "--memory", "tcp://nowhere.example", "--disks"];
    expect((await send(...tcp, "tcp://nowhere.example")).exitCode).toBe(69);
    // To another host's libvirt that is not there.
    await mkdir(join(host.path, "sockets"), { mode: 0o700 });
    expect((await send("--sockets", join(host.path, "sockets"))).exitCode).not.toBe(0);
    expect(await host.json(["move", "revert", id])).toMatchObject({ outcome: "kept", here: true });
    expect(await host.json(["start", id])).toEqual({ uuid: id, wanted: "on" });
    for (const how of ["settle", "dismiss"]) {
      const receipt = join(host.path, "receipt.json");
      await writeFile(receipt, JSON.stringify({ kind: "something else" }));
      expect((await host.run(["move", how, id, "--receipt", receipt])).exitCode).toBe(64);
    }
    expect(await host.run(["move", "dismiss", id])).toMatchObject({ exitCode: 73 });
  });

  test("is offered, and taken back", async () => {
    const { id, file } = await request();
    await host.run(["spawn", "-f", file, "--no-start"]);
    const { out } = await host.run(["move", "offer", id]);
    expect(JSON.parse(out)).toMatchObject({ kind: "luksmith.move", instance: { uuid: id } });
    const move = join(host.path, "move.json");
    await writeFile(move, out);
    // This host has it itself.
    expect(await host.run(["move", "adopt", move])).toMatchObject({ exitCode: 73 });
    expect((await host.run(["start", id])).err).toContain(`luksmith move revert ${id}`);
    const kept = { kind: "luksmith.move-receipt", version: 1, uuid: id, outcome: "kept", here: true };
    expect(await host.json(["move", "revert", id])).toEqual(kept);
    expect(await host.run(["move", "confirm", id])).toMatchObject({ exitCode: 73 });
    expect((await host.run(["start", id])).exitCode).toBe(0);
  });

  test("is rebuilt, shelved, unshelved, described and evacuated", async () => {
    const { id, file } = await request();
    const spawned = await host.json(["spawn", "-f", file]);
    const rebuilt = await host.json(["rebuild", "-f", file, "--timeout", "0"]);
    const names = (document: unknown) =>
      (document as { disks: { uuid: string; encryption_secret_uuid: string }[] }).disks.map(
        ({ uuid, encryption_secret_uuid: secret }) => [uuid, secret],
      );
    expect(names(rebuilt)).toEqual(names(spawned));
    const shelf = join(host.path, "shelf");
    mkdirSync(shelf);
    const shelved = await host.json(["shelve", id, "--to", shelf, "--timeout", "0"]);
    const path = join(shelf, `${id}.json`);
    expect(shelved).toMatchObject({ uuid: id, path, document: { kind: "luksmith.shelf" } });
    expect(await host.json(["list"])).toMatchObject({ instances: [] });
    expect((await host.run(["unshelve", path, "--no-start"])).exitCode).toBe(0);
    expect(names(await host.json(["show", id]))).toEqual(names(spawned));
    expect(readdirSync(shelf)).toEqual([]);

    const kept = join(host.path, "kept.json");
    await writeFile(kept, (await host.run(["move", "describe", id])).out);
    expect(await host.json(["evacuated", id, "--keep-disks"])).toEqual({ uuid: id, here: false });
    expect((await host.run(["evacuate", kept])).exitCode).toBe(64);
    const evacuated = await host.json(["evacuate", kept, "--source-is-down"]);
    expect(names(evacuated)).toEqual(names(spawned));
    expect(evacuated).toMatchObject({ guest: { wanted: "on" } });
  });

  test("without a plugin that runs guests, spawn says which one to add", async () => {
    const { file } = await request();
    await host.configure();
    const { exitCode, err } = await host.run(["spawn", "-f", file]);
    expect(exitCode).toBe(78);
    expect(err).toContain("@luksmith/libvirt/plugin");
  });

  test.each([
    { argv: ["stop", "x", "--timeout", "-1"] },
    { argv: ["stop", "x", "--timeout", "1", "--hard"] },
    { argv: ["rescue", "x"] },
    { argv: ["move"] },
    { argv: ["rebuild"] },
    { argv: ["shelve", "x"] },
    { argv: ["evacuate", "x"] },
    { argv: ["evacuate", "x", "--source-is-down", "--from", "/a", "--recreate", "/b"] },
  ])("$argv is a mistake, and says so", async ({ argv }) => {
    expect((await host.run(argv)).exitCode).toBe(64);
  });
});
