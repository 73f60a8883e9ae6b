import { LuksmithError } from "@luksmith/core";
import { expect, test } from "vitest";
import { lvmError } from "./lvm-errors.ts";

const about = { group: "vg", label: "disk of instance 7 (/dev/vg/7_disk)" };
const failed = (said: string): LuksmithError =>
  new LuksmithError("CommandFailed", `lvcreate exited with 5: ${said}`);

// As lvm2 2.03.16 says it.
test.each([
  ['Logical Volume "7_disk" already exists in volume group "vg"', "DiskExists"],
  ['Volume group "vg" not found\n  Cannot process volume group vg', "VolumeGroupUnusable"],
  ["Volume group vg is exported", "VolumeGroupUnusable"],
  ["Cannot change VG vg while PVs are missing.", "VolumeGroupUnusable"],
  ['Volume group "vg" has insufficient free space (5 extents): 6 required.', "NoSpace"],
  ["Insufficient free space: 6 extents needed, but only 5 available", "NoSpace"],
  ["Insufficient suitable allocatable extents for logical volume 7_disk: 3 more required", "NoSpace"],
  ["Logical volume vg/7_disk in use.", "DiskInUse"],
  ["Logical volume vg/7_disk contains a filesystem in use.", "DiskInUse"],
  ["Logical volume vg/7_disk is used by another device.", "DiskInUse"],
])("%s", (said, code) => {
  expect(lvmError(failed(said), about)).toMatchObject({ code });
});

test("what is not known stays as it is, with what LVM said", () => {
  const error = failed("device-mapper: reload ioctl on (253:0) failed: Invalid argument");
  expect(lvmError(error, about)).toBe(error);
  const other = new LuksmithError("CommandNotFound", "lvs was not found");
  expect(lvmError(other, about)).toBe(other);
});
