import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { deleteById, rebuildInstance, shelveGuest, unshelveGuest } from "@luksmith/core/host";
import { startLibvirt } from "@luksmith/testing-services";
import { afterEach, describe, expect, test } from "vitest";
import { guestDigest } from "../../legacy/plain-record.ts";
import { GONE } from "../../life-host.ts";
import { testContext } from "../../workspace.ts";
import { clearGroup, cryptMappings, expectLike, kinds, volumeHost, volumes } from "./volume-host.ts";

const MIB = 1024 * 1024;
const LONG = { timeout: 900_000 };

afterEach(clearGroup);

describe.each(kinds(1))(
  "a guest on volumes, thin: $thin, decrypted by $decryption",
  ({ thin, decryption }) => {
    const own = () => volumes().filter((name) => name !== "pool");

    test("is rebuilt, shelved, and comes back with its content", LONG, async () => {
      await using env = await startLibvirt({ fewQuestions: true });
      const life = volumeHost(env, { thin, decryption });
      const ctx = testContext();
      const { instance } = await life.spawn(life.temp.addImage(2 * MIB), { swap: 4, boots: "nothing" });
      const { uuid } = instance;
      const names = [`${uuid}_disk`, `${uuid}_disk.swap`];
      await expectLike(life, instance, "running", decryption);

      const other = life.temp.addImage(2 * MIB);
      const request = await life.temp.request(other, { swap: 4, instance: uuid });
      const rebuilt = await life.on((host) => rebuildInstance(host, request, { timeoutMs: 0 }, ctx));
      expect(rebuilt.disks.map(({ encryption }) => encryption?.secretId)).toEqual(
        instance.disks.map(({ encryption }) => encryption?.secretId),
      );
      expect(rebuilt.disks.map(({ identity }) => identity)).not.toEqual(
        instance.disks.map(({ identity }) => identity),
      );
      await expectLike(life, rebuilt, "running", decryption);
      expect(own().toSorted()).toEqual(names);
      await life.stop(uuid);
      const content = await life.on((host) => guestDigest(host, uuid, ctx));

      const directory = join(life.temp.root, "shelf");
      mkdirSync(directory);
      const { document } = await life.on((host) => shelveGuest(host, uuid, { directory, timeoutMs: 0 }, ctx));
      await life.expectPicture(rebuilt, { ...GONE, keys: rebuilt.disks.map(({ name }) => name) });
      expect([...own(), ...cryptMappings()]).toEqual([]);
      const back = await life.on((host) => unshelveGuest(host, document, { directory, start: true }, ctx));
      expect(readdirSync(directory)).toEqual([]);
      await expectLike(life, back.instance, "running", decryption);
      expect(own().toSorted()).toEqual(names);
      await life.stop(uuid);
      expect(await life.on((host) => guestDigest(host, uuid, ctx))).toBe(content);
      await life.on((host) => deleteById(host, uuid, { forgetMissing: false }, ctx));
      await life.expectPicture(back.instance, GONE);
      expect([...own(), ...cryptMappings(), ...(await life.storedKeys())]).toEqual([]);
    });
  },
);
