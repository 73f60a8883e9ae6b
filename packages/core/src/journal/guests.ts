import type { DiskInfo } from "../disk/disk-info.ts";
import type { Row, StateDatabase } from "./state-database.ts";

/** Whether a guest is to run: what a host brings back after its own reboot. */
export type WantedPower = "on" | "off";

/**
 * How a guest is on its way between two hosts. While it is, it is left alone here. `offered`: off, and another host may
 * adopt it; `leaving`: it runs, and may be sent; `sending`: it was to be sent, and may be here or there; `sent`: it is
 * there, for certain; `arriving`: its disks are here, and it may come.
 */
export type Moving = "offered" | "arriving" | "leaving" | "sending" | "sent";

/** As the database has them: a number is never given to another one. */
const MOVING: readonly (Moving | false)[] = [false, "offered", "arriving", "leaving", "sending", "sent"];

/** A guest that Luksmith runs; an instance without one has disks only, and somebody else runs it. */
export interface GuestRecord {
  /** The instance's. */
  readonly uuid: string;
  /** In the hypervisor's language, as it was when the guest was made; its disks may have changed since. No secrets. */
  readonly definition: string;
  readonly wanted: WantedPower;
  readonly moving: Moving | false;
  /** It boots from its disk `disk.rescue`, which is in the inventory as any other. */
  readonly rescued: boolean;
}

/** The guests of this host. Writing methods are called inside the transaction that ends an operation. */
export class GuestInventory {
  readonly #database: StateDatabase;

  constructor(database: StateDatabase) {
    this.#database = database;
  }

  all(): readonly GuestRecord[] {
    return this.#database.all("SELECT * FROM guest ORDER BY rowid").map(guestOf);
  }

  find(uuid: string): GuestRecord | undefined {
    const row = this.#database.get("SELECT * FROM guest WHERE instance = ?", uuid);
    return row && guestOf(row);
  }

  /** After its instance; it goes with it. */
  add({ uuid, definition, wanted, moving }: GuestRecord): void {
    this.#database.run(
      "INSERT INTO guest (instance, definition, wanted, moving) VALUES (?, ?, ?, ?)",
      uuid,
      definition,
      wanted,
      MOVING.indexOf(moving),
    );
  }

  /** @param diskInfo of the instance, with the rescue disk or, at the end of a rescue (`undefined`: as it was), without */
  setRescued(uuid: string, diskInfo: DiskInfo | undefined): void {
    this.#database.run("UPDATE guest SET rescued = ? WHERE instance = ?", diskInfo ? 1 : 0, uuid);
    if (diskInfo) {
      this.#database.run("UPDATE instance SET disk_info = ? WHERE uuid = ?", JSON.stringify(diskInfo), uuid);
      return;
    }
    this.#database.run("DELETE FROM disk WHERE instance = ? AND name = 'disk.rescue'", uuid);
    this.#database.run(
      `UPDATE instance SET disk_info = json_remove(disk_info, '$.mapping."disk.rescue"') WHERE uuid = ?`,
      uuid,
    );
  }

  setMoving(uuid: string, moving: Moving | false): void {
    this.#database.run("UPDATE guest SET moving = ? WHERE instance = ?", MOVING.indexOf(moving), uuid);
  }

  setWanted(uuid: string, wanted: WantedPower): void {
    this.#database.run("UPDATE guest SET wanted = ? WHERE instance = ?", wanted, uuid);
  }
}

function guestOf(row: Row): GuestRecord {
  return {
    uuid: String(row["instance"]),
    definition: String(row["definition"]),
    wanted: row["wanted"] === "on" ? "on" : "off",
    // One that is not known here is left alone as well.
    moving: MOVING[Number(row["moving"])] ?? "sending",
    rescued: row["rescued"] === 1,
  };
}
