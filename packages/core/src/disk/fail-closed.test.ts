import { expect, test } from "vitest";
import { devices, ephemeral, guest, image, swap, volume } from "./__fixtures__/devices.ts";
import { getDiskInfo, type GetDiskInfo } from "./get-disk-info.ts";

const LUKS = { encrypted: true, encryption_format: "luks" } as const;
const NONE = { ephemeral: 0, swap: 0 };

test.each<[string, Partial<GetDiskInfo>]>([
  [
    "the flavor's ephemeral disk has no block device",
    { flavor: { ephemeral: 1, swap: 0 }, block_device_info: devices({ image: [image(LUKS)] }) },
  ],
  [
    "the flavor's swap has no block device",
    { flavor: { ephemeral: 0, swap: 1 }, block_device_info: devices({ image: [image(LUKS)] }) },
  ],
  [
    "the root disk has no block device",
    { flavor: NONE, block_device_info: devices({ ephemerals: [ephemeral(LUKS)] }) },
  ],
  [
    "a block device lost its encryption",
    { flavor: NONE, block_device_info: devices({ image: [image(LUKS)], swap: swap() }) },
  ],
  [
    "an encrypted swap has no size",
    {
      flavor: { ephemeral: 0, swap: 1 },
      block_device_info: devices({ image: [image(LUKS)], swap: swap({ ...LUKS, swap_size: 0 }) }),
    },
  ],
  [
    "an encrypted disk has no format",
    { flavor: NONE, block_device_info: devices({ image: [image({ encrypted: true })] }) },
  ],
])("nothing is placed in the clear: %s", (_, input) => {
  expect(() => getDiskInfo(guest(input))).toThrow(expect.objectContaining({ code: "InvalidBDM" }));
});

test("volumes beside encrypted disks are nobody's business here", () => {
  const block_device_info = devices({ image: [image(LUKS)], block_device_mapping: [volume()] });
  const { mapping } = getDiskInfo(guest({ flavor: NONE, block_device_info })).disk_info;
  expect(mapping["disk"]).toMatchObject({ ...LUKS, encryption_secret_uuid: null });
  expect(mapping["/dev/vdb"]).toEqual({ bus: "virtio", dev: "vdb", type: "disk" });
});
