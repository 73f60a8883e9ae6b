import { expect, test } from "vitest";
import { encryptionRequest, type EncryptionRequest } from "./encryption-request.ts";

type Value = string | undefined;

function ask(flavorOn: Value, imageOn: Value, flavorFormat?: Value, imageFormat?: Value): EncryptionRequest {
  const extra_specs = only({
    "hw:ephemeral_encryption": flavorOn,
    "hw:ephemeral_encryption_format": flavorFormat,
  });
  const properties = only({ hw_ephemeral_encryption: imageOn, hw_ephemeral_encryption_format: imageFormat });
  return encryptionRequest({ name: "f", extra_specs }, { id: "i", properties }, { default_format: "luks" });
}

function only(values: Record<string, Value>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])),
  );
}

test.each<[Value, Value, boolean]>([
  [undefined, undefined, false],
  ["true", undefined, true],
  [undefined, "true", true],
  ["True", "yes", true],
  ["1", "on", true],
  [" T ", "Y", true],
  ["false", undefined, false],
  [undefined, "off", false],
  ["no", "0", false],
  // An unknown word is false, not an error.
  ["enabled", undefined, false],
  ["enabled", "false", false],
  ["", undefined, false],
])("flavor %s, image %s: encrypted is %s", (flavor, image, wanted) => {
  expect(ask(flavor, image).wanted).toBe(wanted);
});

test.each<[Value, Value]>([
  ["true", "false"],
  ["false", "true"],
  ["enabled", "true"],
  ["true", ""],
])("flavor %s and image %s conflict", (flavor, image) => {
  expect(() => ask(flavor, image)).toThrow(expect.objectContaining({ code: "FlavorImageConflict" }));
});

test.each<[Value, Value, string, string | null]>([
  [undefined, undefined, "luks", null],
  ["luks", undefined, "luks", "luks"],
  [undefined, "luksv2", "luksv2", "luksv2"],
  ["plain", "plain", "plain", "plain"],
  ["", "plain", "plain", "plain"],
])("flavor format %s, image format %s: %s", (flavor, image, format, requestedFormat) => {
  expect(ask("true", undefined, flavor, image)).toEqual({ wanted: true, format, requestedFormat });
});

test("the host's default is used when nobody names a format", () => {
  const flavor = { name: null, extra_specs: { "hw:ephemeral_encryption": "true" } };
  expect(encryptionRequest(flavor, null, { default_format: "plain" })).toEqual({
    wanted: true,
    format: "plain",
    requestedFormat: null,
  });
});

test("formats that differ conflict, but only when encryption is on", () => {
  expect(() => ask("true", undefined, "luks", "plain")).toThrow(
    expect.objectContaining({ code: "FlavorImageConflict" }),
  );
  expect(ask("false", undefined, "luks", "plain")).toEqual({ wanted: false });
});

test.each(["LUKS", "luks2", "aes", "luks "])("format '%s' does not exist", (format) => {
  expect(() => ask("true", undefined, format)).toThrow(expect.objectContaining({ code: "InvalidRequest" }));
  expect(ask(undefined, undefined, format)).toEqual({ wanted: false });
  // An image with a wrong value is refused in any case, as Nova cannot load its properties.
  expect(() => ask(undefined, undefined, undefined, format)).toThrow(
    expect.objectContaining({ code: "InvalidRequest" }),
  );
});
