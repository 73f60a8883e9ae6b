import type { StoredDisk } from "@luksmith/core";
import { expect } from "vitest";
import { type BackendBench, MIB } from "./backend-bench.ts";
import { expectUntouched, sourceImage } from "./bench-steps.ts";
import type { ImageBackendRule } from "./image-backend-rule.ts";

async function listed({ fixture, ctx }: BackendBench): Promise<readonly StoredDisk[]> {
  const found: StoredDisk[] = [];
  for await (const each of fixture.backend.list?.(ctx) ?? []) found.push(each);
  return found;
}

function canList({ fixture: { backend } }: BackendBench): string | undefined {
  return backend.list ? undefined : "the backend cannot list what it has";
}

const DAY_MS = 86_400_000;

/** IB-56 and IB-57: what is on the storage can be found without knowing of it. Of a backend that lists. */
export const LIST_RULES: readonly ImageBackendRule[] = [
  {
    id: "IB-56",
    title: "lists its disks once each, with their places and identities, and changes nothing",
    needs: canList,
    async check(bench) {
      expect(await listed(bench)).toEqual([]);
      const one = await bench.create();
      const two = await bench.create(undefined, { instanceUuid: one.disk.instanceUuid, name: "disk.eph0" });
      await using source = await sourceImage(MIB);
      const plain = await bench.createPlain({ kind: "image", image: source });
      const before = Date.now();
      const found = await expectUntouched(bench, () => listed(bench));
      for (const image of [one.image, two.image, plain]) {
        const { instanceUuid, name } = image.disk;
        const matching = found.filter(({ path }) => path === image.path);
        expect(matching, `${name} is listed once`).toHaveLength(1);
        const identity = await image.identify(bench.ctx);
        expect(matching[0]).toMatchObject({ instanceUuid, name, identity });
        const changed = Date.parse(matching[0]?.changedAt ?? "");
        expect(Math.abs(changed - before), "it was changed just now").toBeLessThan(DAY_MS);
      }
      expect(found).toHaveLength(3);
      const identity = await two.image.identify(bench.ctx);
      if (identity) await two.image.remove(identity, bench.ctx);
      expect((await listed(bench)).map(({ path }) => path).sort()).toEqual(
        [one.image.path, plain.path].sort(),
      );
    },
  },
  {
    id: "IB-57",
    title: "tells a disk by what it bears, never by its name: another's is not taken for it",
    needs: canList,
    async check(bench) {
      const kept = await bench.create();
      const erased = await bench.create();
      const replaced = await bench.create();
      await erased.image.erase(bench.ctx);
      const before = await replaced.image.identify(bench.ctx);
      await bench.fixture.replace(replaced.image);
      const found = await listed(bench);
      const at = (path: string): StoredDisk | undefined => found.find((each) => each.path === path);
      expect(at(kept.image.path)).toMatchObject({ uuid: kept.disk.uuid, keySlots: 1 });
      expect(at(erased.image.path)?.keySlots, "nothing opens it, and that is known").toBe(0);
      const other = at(replaced.image.path);
      if (!other) return;
      expect(other.keySlots, "nobody knows what it is").toBeUndefined();
      expect(other.uuid, "it bears nobody's UUID").not.toBe(replaced.disk.uuid);
      expect(other.identity, "it is another one").not.toEqual(before);
    },
  },
];
