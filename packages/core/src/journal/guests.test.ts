import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Inventory } from "./inventory.ts";
import { APPLICATION_ID, MIGRATIONS } from "./schema.ts";
import { STATE_FILE, StateDatabase } from "./state-database.ts";

const UUID = "11111111-1111-4111-8111-111111111111";
const GUEST = { uuid: UUID, definition: "<domain/>", wanted: "on", moving: false, rescued: false } as const;

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "luksmith-guests-"))));
afterEach(() => rmSync(folder, { recursive: true }));

function open(): StateDatabase {
  const opened = StateDatabase.open(folder, "write");
  if (!opened) throw new Error("a database opened for writing exists");
  return opened;
}

function addInstance(inventory: Inventory): void {
  inventory.addInstance({
    uuid: UUID,
    name: "n",
    projectId: undefined,
    createdAt: "2026-01-01T00:00:00.000Z",
    diskInfo: { disk_bus: "virtio", cdrom_bus: "ide", mapping: {} },
    blockDeviceInfo: {
      root_device_name: null,
      image: [],
      ephemerals: [],
      swap: null,
      block_device_mapping: [],
    },
    disks: [],
  });
}

describe("the inventory of guests", () => {
  it("keeps what a guest is to be, and lets it go with its instance", () => {
    using database = open();
    const inventory = new Inventory(database);
    addInstance(inventory);
    inventory.guests.add(GUEST);
    expect(inventory.guests.all()).toEqual([GUEST]);
    inventory.guests.setWanted(UUID, "off");
    inventory.guests.setMoving(UUID, "sending");
    expect(inventory.guests.find(UUID)).toEqual({ ...GUEST, wanted: "off", moving: "sending" });
    inventory.removeInstance(UUID);
    expect(inventory.guests.all()).toEqual([]);
  });

  it("changes disk_info for a rescue, and changes it back", () => {
    using database = open();
    const inventory = new Inventory(database);
    addInstance(inventory);
    inventory.guests.add(GUEST);
    const before = inventory.instance(UUID)?.diskInfo;
    const rescue = { bus: "virtio", dev: "vda", type: "disk" } as const;
    inventory.guests.setRescued(UUID, {
      disk_bus: "virtio",
      cdrom_bus: "ide",
      mapping: { "disk.rescue": rescue },
    });
    expect(inventory.guests.find(UUID)?.rescued).toBe(true);
    expect(inventory.instance(UUID)?.diskInfo.mapping).toEqual({ "disk.rescue": rescue });
    inventory.guests.setRescued(UUID, undefined);
    expect(inventory.guests.find(UUID)).toEqual(GUEST);
    expect(inventory.instance(UUID)?.diskInfo).toEqual(before);
  });

  it("is added to a state of the first version", () => {
    const old = new DatabaseSync(join(folder, STATE_FILE));
    old.exec(`PRAGMA application_id = ${APPLICATION_ID}; ${MIGRATIONS[0]}; PRAGMA user_version = 1`);
    old.close();
    using database = open();
    const inventory = new Inventory(database);
    addInstance(inventory);
    expect(inventory.guests.all()).toEqual([]);
    inventory.guests.add(GUEST);
    expect(inventory.guests.all()).toEqual([GUEST]);
  });
});
