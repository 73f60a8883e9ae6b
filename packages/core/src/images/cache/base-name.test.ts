import { describe, expect, it } from "vitest";
import {
  baseOfPart,
  ephemeralBaseName,
  imageBaseName,
  isBaseName,
  partName,
  secondBaseName,
  swapBaseName,
} from "./base-name.ts";

const ID = "155d900f-4e14-4e4c-a73d-069cbf4541e6";

describe("names in _base", () => {
  // python3: hashlib.sha1(image_id), as nova.virt.imagecache.get_cache_fname; hashlib.md5(fs)[:7], as nova.privsep.fs
  it("are Nova's", () => {
    expect(imageBaseName(ID)).toBe("f2d1a8250ed3d4b744a8250dab8f6840179d502a");
    expect(ephemeralBaseName(20, "ext4")).toBe("ephemeral_20_40d1d2c");
    expect(ephemeralBaseName(1, "vfat")).toBe("ephemeral_1_0706d66");
    expect(swapBaseName(512)).toBe("swap_512");
  });

  it("tell bases from everything else", () => {
    const bases = [imageBaseName(ID), `${imageBaseName(ID)}_20`, secondBaseName(ID, "qcow2")];
    for (const name of [...bases, ephemeralBaseName(1, "xfs"), swapBaseName(1)]) {
      expect(isBaseName(name)).toBe(true);
      expect(baseOfPart(name)).toBeUndefined();
      const part = partName(name, ID);
      expect(isBaseName(part)).toBe(false);
      expect(baseOfPart(part)).toBe(name);
    }
    for (const name of [`${imageBaseName(ID)}.info`, "not-ours", "swap_", "..", `.x.${ID}.part`, "a.part"]) {
      expect(isBaseName(name)).toBe(false);
      expect(baseOfPart(name)).toBeUndefined();
    }
  });
});
