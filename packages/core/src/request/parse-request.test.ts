import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseRequest } from "./parse-request.ts";

const SERVER = "1f6d3c58-92ab-4d07-8e41-5b7c0a9e2d63";
const IMAGE = "6a1f2c84-3b7d-4e59-9c0a-d8e5b71f4a26";
const VOLUME = "d27c94b1-85e3-4f6a-b0d4-19a7e63c5f08";
const EXAMPLES = join(import.meta.dirname, "../../../../examples");

function example(name: string): unknown {
  return JSON.parse(readFileSync(join(EXAMPLES, `${name}.json`), "utf8"));
}

function minimal(over: Record<string, unknown> = {}) {
  return { server: { id: SERVER, flavor: { disk: 1 } }, image: { id: IMAGE }, ...over };
}

function withServer(over: Record<string, unknown>) {
  return minimal({ server: { id: SERVER, flavor: { disk: 1 }, ...over } });
}

test("the encrypted example", () => {
  const request = parseRequest(example("encrypted-server"));
  expect(request.server).toMatchObject({
    id: SERVER,
    name: "ledger-01",
    instance_name: "instance-0000002a",
    image_id: IMAGE,
    root_device_name: "/dev/vda",
    flavor: { name: "m1.tiny.encrypted", vcpus: 1, ram: 512, disk: 1, ephemeral: 1, swap: 64 },
  });
  expect(request.image).toMatchObject({ disk_format: "raw", size: 67_108_864n, virtual_size: 67_108_864n });
  expect(request.image?.properties).toEqual({
    architecture: "x86_64",
    hw_architecture: "x86_64",
    hw_machine_type: "q35",
    hw_rng_model: "virtio",
    os_type: "linux",
    os_version: "1.4",
  });
  expect(request).toMatchObject({ config_drive: false, virt_type: null, block_device_mapping_v2: [] });
});

test("the plain example", () => {
  expect(parseRequest(example("plain-server")).server.flavor.extra_specs).toEqual({});
});

test("the example that boots from a volume", () => {
  const request = parseRequest(example("boot-from-volume"));
  expect(request).toMatchObject({ image: null, config_drive: true, server: { image_id: null } });
  expect(request.block_device_mapping_v2).toMatchObject([
    { source_type: "volume", uuid: VOLUME, boot_index: 0 },
    { source_type: "blank", destination_type: "local", volume_size: 1, guest_format: "ext4", boot_index: -1 },
  ]);
});

test("a request written by hand needs little", () => {
  const request = parseRequest(minimal());
  expect(request.server.flavor).toEqual({
    name: null,
    vcpus: null,
    ram: null,
    disk: 1,
    ephemeral: 0,
    swap: 0,
    extra_specs: {},
  });
});

test("ids come out in lower case", () => {
  const request = parseRequest(withServer({ id: SERVER.toUpperCase(), image: { id: IMAGE.toUpperCase() } }));
  expect(request.server).toMatchObject({ id: SERVER, image_id: IMAGE });
});

test("older shapes are read: swap as text, ephemeral space as an extension, extra specs as booleans", () => {
  const flavor = {
    disk: 1,
    swap: "",
    "OS-FLV-EXT-DATA:ephemeral": 3,
    extra_specs: { "hw:ephemeral_encryption": true },
  };
  expect(parseRequest(withServer({ flavor })).server.flavor).toMatchObject({
    swap: 0,
    ephemeral: 3,
    extra_specs: { "hw:ephemeral_encryption": "true" },
  });
});

test("the volumes of an existing server stand in for block devices; without an image the first one boots", () => {
  const volumes = [{ id: VOLUME, delete_on_termination: true }, { id: SERVER }];
  const server = {
    id: SERVER,
    image: "",
    flavor: { disk: 0 },
    "os-extended-volumes:volumes_attached": volumes,
  };
  const { block_device_mapping_v2 } = parseRequest({ server, image: null });
  expect(block_device_mapping_v2).toMatchObject([
    { uuid: VOLUME, boot_index: 0, delete_on_termination: true },
    { uuid: SERVER, boot_index: null, delete_on_termination: false },
  ]);
});

test("beside an image the volumes of an existing server do not boot", () => {
  const json = withServer({ "os-extended-volumes:volumes_attached": [{ id: VOLUME }] });
  expect(parseRequest(json).block_device_mapping_v2).toMatchObject([{ uuid: VOLUME, boot_index: null }]);
});

test("entries that take a device away are left out", () => {
  const json = minimal({ block_device_mapping_v2: [{ no_device: "true", source_type: "blank" }] });
  expect(parseRequest(json).block_device_mapping_v2).toEqual([]);
});

test.each([
  [{ config_drive: "True" }, {}, {}, true],
  [{ config_drive: "" }, {}, {}, false],
  [{ config_drive: true }, {}, {}, true],
  [{ config_drive: "True" }, { config_drive: false }, {}, false],
  [{}, { config_drive: true }, {}, true],
  [{}, {}, { img_config_drive: "mandatory" }, true],
  [{}, { config_drive: false }, { img_config_drive: "mandatory" }, true],
  [{}, {}, { img_config_drive: "optional" }, false],
])("config drive: server %o, request %o, image %o: %s", (server, request, image, due) => {
  const json = { ...withServer(server), ...request, image: { id: IMAGE, ...image } };
  expect(parseRequest(json).config_drive).toBe(due);
});

test("every wrong field is reported with its path", () => {
  const json = {
    server: {
      id: "../../etc",
      flavor: { disk: -1, swap: 1.5 },
      "OS-EXT-SRV-ATTR:root_device_name": "/dev/../x",
    },
    image: { id: 7, virtual_size: "big" },
    block_device_mapping_v2: [{ source_type: "tape", boot_index: "first" }],
  };
  const paths = expect.arrayContaining(
    [
      "$.server.id",
      "$.server.flavor.disk",
      "$.server.flavor.swap",
      '$.server["OS-EXT-SRV-ATTR:root_device_name"]',
      "$.image.id",
      "$.image.virtual_size",
      "$.block_device_mapping_v2[0].source_type",
      "$.block_device_mapping_v2[0].boot_index",
    ].map((path) => expect.objectContaining({ path })),
  );
  expect(() => parseRequest(json)).toThrow(
    expect.objectContaining({ code: "InvalidRequest", details: { problems: paths } }),
  );
});

test.each([null, [], "x", 1, {}, { server: null }])("%o is not a request", (json) => {
  expect(() => parseRequest(json)).toThrow(expect.objectContaining({ code: "InvalidRequest" }));
});

test("a flavor that is only a link says what to do", () => {
  expect(() => parseRequest(withServer({ flavor: { id: "1", links: [] } }))).toThrow(/microversion 2\.47/);
});
