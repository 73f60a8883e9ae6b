import { diskFromJson } from "../../image/image-disk.ts";
import type { Inventory } from "../../journal/inventory.ts";
import type { World } from "./world.ts";

/** Copies of an instance's disks that will take their places: `rekey --volume-key` and migrations make them over many calls. */
export function copiesOf(
  inventory: Inventory | undefined,
  { uuid, disks }: World["instances"][number],
): World["copying"] {
  return (inventory?.reencryptions.of(uuid) ?? []).map(({ disk, target, identity }) => ({
    backend: disks.find((each) => each.uuid === disk)?.backend ?? "",
    identity,
    secretId: diskFromJson(target).encryption?.secretId ?? undefined,
  }));
}
