import { expect, test } from "vitest";
import { devices, ephemeral, image, swap, volume } from "./__fixtures__/devices.ts";
import { checkEncryptedState } from "./encrypted-state.ts";

const NEW = { encrypted: true, encryption_format: "luks" } as const;
const KEYED = { ...NEW, encryption_secret_uuid: "s" };

test.each([
  devices({ image: [image()], ephemerals: [ephemeral()] }),
  devices({ image: [image(NEW)], swap: swap(NEW), block_device_mapping: [volume()] }),
  devices({ image: [image(KEYED)], ephemerals: [ephemeral(KEYED)], swap: swap(KEYED) }),
  devices(),
])("all plain, all new or all with a secret is fine", (info) => {
  expect(() => checkEncryptedState(info)).not.toThrow();
});

test.each([
  ["one disk is plain", devices({ image: [image(NEW)], ephemerals: [ephemeral()] })],
  ["the swap is plain", devices({ image: [image(NEW)], swap: swap() })],
  ["one disk has a secret", devices({ image: [image(KEYED)], ephemerals: [ephemeral(NEW)] })],
  ["the swap has no secret", devices({ image: [image(KEYED)], swap: swap(NEW) })],
  ["the format is missing", devices({ image: [image({ encrypted: true })] })],
])("a mix is refused: %s", (_, info) => {
  expect(() => checkEncryptedState(info)).toThrow(expect.objectContaining({ code: "InvalidBDM" }));
});
