import { expect, test } from "vitest";
import { imagesBackendName } from "./images-backend-name.ts";
import { parseConfig } from "./parse-config.ts";

function config(content: string) {
  return parseConfig([{ file: "f", content }]);
}

test.each([
  ["raw", "raw"],
  ["flat", "raw"],
  ["qcow2", "qcow2"],
  ["lvm", "lvm"],
  ["rbd", "rbd"],
])("%s selects %s, with use_cow_images or without", (written, name) => {
  expect(imagesBackendName(config(`[libvirt]\nimages_type = ${written}\n`))).toBe(name);
  expect(
    imagesBackendName(config(`[DEFAULT]\nuse_cow_images=no\n[libvirt]\nimages_type = ${written}\n`)),
  ).toBe(name);
});

test("default depends on use_cow_images", () => {
  expect(imagesBackendName(config(""))).toBe("qcow2");
  expect(imagesBackendName(config("[DEFAULT]\nuse_cow_images = false\n"))).toBe("raw");
});

test("another plugin's backend must be among those loaded", () => {
  const zfs = config("[luksmith]\nplugins = @acme/zfs\n[libvirt]\nimages_type = zfs\n");
  expect(imagesBackendName(zfs, ["raw", "zfs"])).toBe("zfs");
  expect(() => imagesBackendName(zfs)).toThrow(
    'f:4: [libvirt] images_type = "zfs": must be one of default, flat, raw, qcow2, lvm, rbd',
  );
});

test("a backend that is known but not loaded is named with what is loaded", () => {
  expect(() => imagesBackendName(config(""), ["raw"])).toThrow(
    'default: [libvirt] images_type = "default" needs the image backend "qcow2", which no plugin in [luksmith] plugins provides (they provide: raw)',
  );
});
