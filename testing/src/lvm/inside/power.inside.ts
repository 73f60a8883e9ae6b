import {
  deleteById,
  findInstance,
  offerGuest,
  offerLive,
  rebootGuest,
  rekeyDisks,
  rescueGuest,
  revertMove,
  unrescueGuest,
} from "@luksmith/core/host";
import { startLibvirt } from "@luksmith/testing-services";
import { readFileSync, writeFileSync } from "node:fs";
import { afterEach, expect, test } from "vitest";
import { GONE, nameOf, whole } from "../../life-host.ts";
import { toldMappings } from "../../told-mappings.ts";
import { testContext } from "../../workspace.ts";
import { clearGroup, cryptMappings, expectLike, GROUP, tool, volumeHost, volumes } from "./volume-host.ts";

const MIB = 1024 * 1024;
const LONG = { timeout: 900_000 };

afterEach(clearGroup);

test(
  "mappings come and go with a guest's power, and the option takes effect at its next start",
  LONG,
  async () => {
    await using env = await startLibvirt({ fewQuestions: true });
    const life = volumeHost(env, { thin: false, decryption: "dm-crypt" });
    const ctx = testContext();
    const image = life.temp.addImage(2 * MIB);
    const set = (before: string, after: string): void => {
      const text = readFileSync(life.temp.configFile, "utf8");
      writeFileSync(life.temp.configFile, text.replace(`decryption = ${before}`, `decryption = ${after}`));
    };
    const { instance } = await life.spawn(image, { start: false, boots: "nothing" });
    const { uuid } = instance;
    const [{ path } = { path: "" }] = instance.disks;
    const mapping = `${path.slice(`/dev/${GROUP}/`.length)}-luks`;
    await life.expectPicture(instance, whole(instance, "off"));
    await life.start(uuid);
    await expectLike(life, instance, "running", "dm-crypt");
    const shown = await life.on((host) => findInstance(host, uuid));
    expect(shown.disks.map(({ source }) => source)).toEqual([
      { type: "block", dev: `/dev/mapper/${mapping}`, format: "raw", decryptedBy: "kernel" },
    ]);
    expect((await env.qemuCommandLine(nameOf(uuid)))?.join(" ")).not.toContain('"driver":"luks"');
    // While the guest has it, nobody closes it, moves the guest as it runs, or changes its key.
    await expect(life.on((host) => offerLive(host, uuid, ctx))).rejects.toMatchObject({
      code: "UnsupportedOperation",
    });
    const rekey = () =>
      life.on(async (host) => rekeyDisks(host, await findInstance(host, uuid), undefined, ctx));
    await expect(rekey()).rejects.toMatchObject({
      code: expect.stringMatching(/DiskInUse|DomainStateConflict/),
    });
    await expectLike(life, instance, "running", "dm-crypt");

    await life.on((host) => rebootGuest(host, uuid, { hard: true }, ctx));
    await expectLike(life, instance, "running", "dm-crypt");
    await life.stop(uuid);
    await expectLike(life, instance, "off", "dm-crypt");
    await life.on((host) => offerGuest(host, uuid, ctx));
    await life.on((host) => revertMove(host, uuid, {}, ctx));
    const [rekeyed] = await rekey();
    expect(rekeyed?.encryption?.secretId).not.toBe(shown.disks[0]?.encryption?.secretId);
    const now = await life.on((host) => findInstance(host, uuid));

    // A mapping under its name that was not made from its header is nobody's to use or to close.
    tool("sh", [
      "-c",
      `echo x | cryptsetup open --type=plain --key-file=- --key-size=512 --cipher=aes-xts-plain64 ${path} ${mapping}`,
    ]);
    await expect(life.start(uuid)).rejects.toMatchObject({ code: "DiskReplaced" });
    expect(cryptMappings()).toEqual([mapping]);
    tool("cryptsetup", ["close", mapping]);

    const declared = { id: image, disk_format: "raw" } as const;
    await life.on((host) => rescueGuest(host, uuid, { image: { id: image, declared }, timeoutMs: 0 }, ctx));
    const rescued = await life.on((host) => findInstance(host, uuid));
    expect(rescued.disks.map(({ name }) => name)).toEqual(["disk", "disk.rescue"]);
    await expectLike(life, rescued, "running", "dm-crypt");
    await life.on((host) => unrescueGuest(host, uuid, ctx));
    expect(volumes()).toEqual([`${uuid}_disk`]);
    await expectLike(life, now, "running", "dm-crypt");

    set("dm-crypt", "qemu");
    await life.on((host) => rebootGuest(host, uuid, { hard: true }, ctx));
    await expectLike(life, now, "running", "qemu");
    await life.stop(uuid);
    set("qemu", "dm-crypt");
    await life.start(uuid);
    await expectLike(life, now, "running", "dm-crypt");
    // Stopped by an agent that is told otherwise meanwhile: closed all the same.
    set("dm-crypt", "qemu");
    await life.stop(uuid);
    await expectLike(life, now, "off", "dm-crypt");
    await life.start(uuid);
    await life.on((host) => deleteById(host, uuid, { forgetMissing: false }, ctx));
    await life.expectPicture(rescued, GONE);
    expect(await life.storedKeys()).toEqual([]);
    expect([...cryptMappings(), ...volumes()]).toEqual([]);
    // Each time that this host could read the disk in clear is in the audit log.
    const told = await life.on((host) => toldMappings(host, `/dev/mapper/${mapping}`));
    expect(told.length).toBeGreaterThanOrEqual(6);
    expect(told).toEqual(told.map((_, index) => (index % 2 === 0 ? "opened" : "closed")));
    expect(told.at(-1)).toBe("closed");
  },
);
