import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isLuksmithError, type AnyLuksmithError } from "../errors/luksmith-error.ts";
import type { HostConfig } from "./host-config.ts";
import { OPTIONS } from "./options.ts";
import { parseConfig } from "./parse-config.ts";

function parse(...contents: string[]): HostConfig {
  return parseConfig(contents.map((content, index) => ({ file: `f${index + 1}`, content })));
}

function refusal(...contents: string[]): AnyLuksmithError {
  try {
    parse(...contents);
  } catch (error) {
    if (isLuksmithError(error)) return error;
    throw error;
  }
  throw new Error("expected ConfigInvalid");
}

describe("what is refused", () => {
  test.each([
    [
      "a bool",
      "[DEFAULT]\nuse_cow_images = maybe",
      '[DEFAULT] use_cow_images = "maybe": must be true or false (or yes, no, on, off, 1, 0)',
    ],
    [
      "an empty bool",
      "[DEFAULT]\nuse_cow_images =",
      '[DEFAULT] use_cow_images = "": must be true or false (or yes, no, on, off, 1, 0)',
    ],
    [
      "a number",
      "[libvirt]\nvolume_clear_size = 1.5",
      '[libvirt] volume_clear_size = "1.5": must be a whole number from 0',
    ],
    [
      "too few",
      "[luksmith]\npbkdf_iterations = 999",
      '[luksmith] pbkdf_iterations = "999": must be a whole number from 1000 to 12000000',
    ],
    [
      "too many",
      "[luksmith]\nworker_threads = 17",
      '[luksmith] worker_threads = "17": must be a whole number from 1 to 16',
    ],
    [
      "far too many",
      `[libvirt]\nvolume_clear_size = 1${"0".repeat(400)}`,
      expect.stringMatching(/must be a whole number from 0$/),
    ],
    ["a choice", "[luksmith]\nverify = yes", '[luksmith] verify = "yes": must be one of unlock, header'],
    [
      "a relative path",
      "[DEFAULT]\ninstances_path = instances",
      '[DEFAULT] instances_path = "instances": must be an absolute path',
    ],
    [
      "an empty path, which would make others start at the root",
      "[DEFAULT]\nstate_path =",
      '[DEFAULT] state_path = "": must be an absolute path',
    ],
    [
      "a path of two lines",
      "[luksmith]\nsocket = /a\n  # b",
      '[luksmith] socket = "/a\\n# b": must be an absolute path',
    ],
    [
      "a reference to nothing",
      "[DEFAULT]\nstate_path = $pybasedir/x",
      "[DEFAULT] state_path refers to $pybasedir, which is not set (write $$ for a dollar sign)",
    ],
    [
      "a circle",
      "[DEFAULT]\nstate_path = $instances_path",
      "[DEFAULT] state_path refers to itself through $instances_path",
    ],
    [
      "images_type",
      "[libvirt]\nimages_type = ploop",
      '[libvirt] images_type = "ploop": must be one of default, flat, raw, qcow2, lvm, rbd',
    ],
    [
      "a misspelled option",
      "[luksmith]\nimage_path = /x",
      '[luksmith] has no option "image_path"; did you mean images_path?',
    ],
    [
      "Nova's option in our section",
      "[luksmith]\ninstances_path = /x",
      '[luksmith] has no option "instances_path"; it belongs in [DEFAULT]',
    ],
    [
      "an option like no other",
      "[luksmith]\ncolour = red",
      expect.stringContaining('has no option "colour"; the options are plugins, '),
    ],
    [
      "a misspelled section",
      "[ luksmith ]\nverify = header",
      "there is no section [ luksmith ]; did you mean [luksmith]?",
    ],
  ])("%s", (_, content, expected) => {
    const { code, message, details } = refusal(content);
    expect(code).toBe("ConfigInvalid");
    expect(message).toMatch(/^f1:2: /);
    expect(message.slice("f1:2: ".length)).toEqual(expected);
    expect(details["problems"]).toMatchObject([{ file: "f1", line: 2 }]);
  });

  test("everything at once, in the order of the files", () => {
    const error = refusal(
      "[DEFAULT]\nuse_cow_images = maybe\nrubbish\n",
      "[luksmith]\nverfy = unlock\nlog_level = loud\n",
    );
    expect(error.code).toBe("ConfigInvalid");
    expect(error.category).toBe("config");
    expect(error.message.split("\n")).toEqual([
      "4 problems in the configuration:",
      expect.stringContaining("f1:2: [DEFAULT] use_cow_images"),
      expect.stringContaining("f1:3: expected"),
      '  f2:2: [luksmith] has no option "verfy"; did you mean verify?',
      expect.stringContaining("f2:3: [luksmith] log_level"),
    ]);
    expect(error.details["problems"]).toHaveLength(4);
  });

  test("what a reference stands for is not shown: it may be a password", () => {
    const { message } = refusal(
      "[placement]\npassword = hunter2\n[luksmith]\nverify = $placement.password\n",
    );
    expect(message).toBe(
      'f1:4: [luksmith] verify = "$placement.password": must be one of unlock, header once its references are replaced',
    );
  });

  test("a value that a later file replaces is not looked at", () => {
    expect(parse("[luksmith]\nverify = x\n", "[luksmith]\nverify = header\n").luksmith.verify).toBe("header");
  });

  test("unknown options of Nova are none of our business", () => {
    expect(() =>
      parse("[DEFAULT]\ncpu_ratio = x\n[libvirt]\nimage_type = q\n[neutron]\na = $b\n"),
    ).not.toThrow();
  });

  test.each(["raw", "qcow2", "rbd", "default"])("the kernel does not decrypt what is on %s", (type) => {
    const error = refusal(`[libvirt]\nimages_type = ${type}\n[luksmith]\ndecryption = dm-crypt\n`);
    expect(error.message).toMatch(/f1:4: \[luksmith\] decryption = dm-crypt opens block devices/);
    const lvm = "[libvirt]\nimages_type = lvm\n[luksmith]\ndecryption = dm-crypt\n";
    expect(parse(lvm).luksmith.decryption).toBe("dm-crypt");
  });

  test("with a plugin from elsewhere, images_type may be its backend", () => {
    const config = parse(
      "[libvirt]\nimages_type = zfs\n[luksmith]\nplugins = @acme/zfs, @luksmith/keymgr-local\n",
    );
    expect(config.libvirt.images_type).toBe("zfs");
  });
});

test("whatever files say, they are read, or refused with our own error", () => {
  const word = fc.oneof(
    fc.constantFrom(
      ...OPTIONS.flatMap(({ section, name }) => [`[${section}]`, name, `$${name}`, `\${${section}.${name}}`]),
    ),
    fc.constantFrom(" = ", ":", "\n", "\n  ", "[", "]", "$", "{", "}", "1", "true", "/x", "\0", "__proto__"),
    fc.string({ maxLength: 5 }),
  );
  const content = fc.array(word, { maxLength: 60 }).map((words) => `[luksmith]\n${words.join("")}`);
  fc.assert(
    fc.property(fc.array(content, { maxLength: 3 }), (contents) => {
      expect(["fine", "ConfigInvalid"]).toContain(outcome(contents));
    }),
    { numRuns: 500 },
  );
});

function outcome(contents: string[]): string {
  try {
    const config = parse(...contents);
    config.entries();
    config.settings();
    return "fine";
  } catch (error) {
    if (isLuksmithError(error)) return error.code;
    throw error;
  }
}
