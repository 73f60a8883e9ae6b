import type { CommandRunner, OpContext } from "@luksmith/core";
import { LuksmithError } from "@luksmith/core";
import type { LvmSettings } from "./config.ts";
import { groupUnusable, lvmError } from "./lvm-errors.ts";
import { mapperName } from "./volume-name.ts";
import { countOf, field, fractionOf, parseReport, REPORT_OPTIONS, type ReportRow } from "./report.ts";

/** A volume as LVM knows it. */
export interface Volume {
  readonly name: string;
  readonly uuid: string;
  readonly tags: readonly string[];
  /** Whole extents. */
  readonly bytes: bigint;
  readonly active: boolean;
  readonly thin: boolean;
}

export interface DatedVolume extends Volume {
  readonly made: Date;
}

/** What to make. */
export interface NewVolume {
  readonly name: string;
  /** Rounded up to extents by LVM. */
  readonly bytes: bigint;
  readonly tags: readonly string[];
  /** For messages. */
  readonly label: string;
}

/** One look at the group. */
export interface GroupSurvey {
  /** In the order of the names; undefined: there is none of that name. */
  readonly uuids: readonly (string | undefined)[];
  /** Bytes. */
  readonly free: bigint;
}

/** Beyond this a thin pool is as good as full: its guests would stop, all of them. */
const POOL_LIMIT = 0.95;
const GROUP_FIELDS = "vg_free,vg_missing_pv_count,vg_exported";
const POOL_FIELDS = "lv_size,data_percent,metadata_percent";
const VOLUME_FIELDS = "lv_name,lv_uuid,lv_tags,lv_size,lv_active,segtype";

/** The volume group with the disks, through LVM's commands. */
export class VolumeGroup {
  readonly name: string;
  readonly #settings: LvmSettings;
  readonly #commands: CommandRunner;
  readonly #timeoutMs: number;

  constructor(settings: LvmSettings, commands: CommandRunner, timeoutMs: number) {
    this.name = settings.volumeGroup;
    this.#settings = settings;
    this.#commands = commands;
    this.#timeoutMs = timeoutMs;
  }

  /** The volume of that name, undefined if there is none. */
  async volume(name: string, ctx: OpContext): Promise<Volume | undefined> {
    const [row] = await this.#report("lv", VOLUME_FIELDS, ["--select", `lv_name="${name}"`], ctx);
    return row && volumeOf(row);
  }

  /** All volumes with when they were made, and whether other hosts see the group as well. */
  async volumes(
    ctx: OpContext,
  ): Promise<{ readonly shared: boolean; readonly volumes: readonly DatedVolume[] }> {
    const [group] = await this.#report("vg", "vg_shared,vg_clustered", [], ctx);
    const time = ["--config", 'report/time_format="%s"'];
    const rows = await this.#report("lv", `${VOLUME_FIELDS},lv_time`, time, ctx);
    const shared =
      group !== undefined && ["vg_shared", "vg_clustered"].some((flag) => field(group, flag) === "1");
    const volumes = rows.map((row) => {
      const made = new Date(Number(countOf(row, "lv_time")) * 1000);
      return Object.assign(volumeOf(row), { made });
    });
    return { shared, volumes };
  }

  /**
   * How often the device of an active volume is open, by the kernel: by processes, mounts, mappings. Much quicker than LVM's
   * own report, which reads the group.
   */
  async openCount(name: string, ctx: OpContext): Promise<number> {
    const args = ["info", "--columns", "--noheadings", "--options", "open", mapperName(this.name, name)];
    const { stdout } = await this.#run("dmsetup", args, name, ctx);
    return Number(countOf({ open: stdout.trim() }, "open"));
  }

  /** Bytes that new volumes may take. @throws `VolumeGroupUnusable` */
  async freeBytes(ctx: OpContext): Promise<bigint> {
    if (this.#settings.thin) return poolRoom(await this.#pool(ctx));
    return this.#roomOf(await this.#report("vg", GROUP_FIELDS, [], ctx));
  }

  /**
   * Uuids of the volumes that have these names, and bytes that new ones may take: one look at the group, which is what takes LVM's
   * commands their time.
   * @throws `VolumeGroupUnusable`
   */
  async survey(names: readonly string[], ctx: OpContext): Promise<GroupSurvey> {
    const { thin } = this.#settings;
    const wanted = names.map((name) => `lv_name="${name}"`);
    const fields = `${GROUP_FIELDS},lv_name,lv_uuid,segtype${thin ? `,${POOL_FIELDS}` : ""}`;
    const select = thin ? ["--select", [...wanted, 'segtype="thin-pool"'].join(" || ")] : [];
    const rows = await this.#report("vg", fields, select, ctx);
    // A group without volumes has no row with one.
    const free = thin
      ? poolRoom(this.#chosenPool(rows.filter((row) => field(row, "segtype") === "thin-pool")))
      : rows.length > 0
        ? this.#roomOf(rows)
        : await this.freeBytes(ctx);
    const uuids = new Map(rows.map((row) => [field(row, "lv_name"), field(row, "lv_uuid")]));
    return { uuids: names.map((name) => uuids.get(name)), free };
  }

  /**
   * Makes a volume, active, with nothing wiped: LVM decides by itself whether name and space are free.
   * @throws `DiskExists`, `NoSpace`, `VolumeGroupUnusable`
   */
  async create({ name, bytes, tags, label }: NewVolume, ctx: OpContext): Promise<void> {
    const pool = this.#settings.thin ? await this.#pool(ctx) : undefined;
    if (pool) requireRoom(pool, bytes, label);
    const place = pool
      ? ["--thinpool", field(pool, "lv_name"), "--virtualsize", `${bytes}b`]
      : ["--size", `${bytes}b`, "--zero", "n", "--wipesignatures", "n"];
    const tagged = tags.flatMap((tag) => ["--addtag", tag]);
    const args = ["--yes", "--quiet", ...place, ...tagged, "--name", name, this.name];
    await this.#change("lvcreate", args, label, ctx);
  }

  /** Makes it at least that large. */
  async extend(name: string, bytes: bigint, label: string, ctx: OpContext): Promise<void> {
    await this.#change("lvextend", ["--quiet", "--size", `${bytes}b`, `${this.name}/${name}`], label, ctx);
  }

  /** One commit of LVM's metadata. */
  async retag(
    volume: Volume,
    tags: { readonly add: string; readonly remove: readonly string[] },
    label: string,
    ctx: OpContext,
  ): Promise<void> {
    const removed = tags.remove.flatMap((tag) => (tag === tags.add ? [] : ["--deltag", tag]));
    const selected = ["--select", `lv_uuid="${volume.uuid}"`, this.name];
    await this.#change("lvchange", ["--quiet", ...removed, "--addtag", tags.add, ...selected], label, ctx);
  }

  /** Never over another volume: LVM refuses that. @throws `DiskExists` */
  async rename(from: string, to: string, label: string, ctx: OpContext): Promise<void> {
    await this.#change("lvrename", ["--quiet", this.name, from, to], label, ctx);
  }

  async activate(volume: Volume, label: string, ctx: OpContext): Promise<void> {
    const selected = ["--select", `lv_uuid="${volume.uuid}"`, this.name];
    await this.#change("lvchange", ["--quiet", "--activate", "y", ...selected], label, ctx);
  }

  /** Only that very volume, whatever has its name by now; one that is gone is success. @throws `DiskInUse` */
  async remove(uuid: string, label: string, ctx: OpContext): Promise<void> {
    const selected = ["--select", `lv_uuid="${uuid}"`, this.name];
    await this.#change("lvremove", ["--quiet", "--force", "--yes", ...selected], label, ctx);
  }

  async #pool(ctx: OpContext): Promise<ReportRow> {
    const select = ["--select", 'segtype="thin-pool"'];
    return this.#chosenPool(await this.#report("lv", `lv_name,${POOL_FIELDS}`, select, ctx));
  }

  #roomOf([row]: readonly ReportRow[]): bigint {
    if (!row) throw groupUnusable(this.name, "it was not found");
    if (field(row, "vg_exported") === "1") throw groupUnusable(this.name, "it is exported");
    if (countOf(row, "vg_missing_pv_count") > 0n) throw groupUnusable(this.name, "a part of it is missing");
    return countOf(row, "vg_free");
  }

  #chosenPool(all: readonly ReportRow[]): ReportRow {
    const { thinPool } = this.#settings;
    const pools = all.filter((each) => thinPool === undefined || field(each, "lv_name") === thinPool);
    const [pool] = pools;
    if (pool && pools.length === 1) return pool;
    const found = pools.map((each) => field(each, "lv_name")).join(", ");
    const why = pool
      ? `it has several thin pools (${found}), name one in [luksmith:backend-lvm] thin_pool`
      : `it has no thin pool${thinPool === undefined ? "" : ` ${thinPool}`}, which sparse_logical_volumes needs; make one (lvcreate --type thin-pool)`;
    throw groupUnusable(this.name, why);
  }

  async #report(
    kind: "lv" | "vg",
    fields: string,
    more: readonly string[],
    ctx: OpContext,
  ): Promise<readonly ReportRow[]> {
    const args = [...REPORT_OPTIONS, "--options", fields, ...more, this.name];
    const { stdout } = await this.#run(`${kind}s`, args, `a volume of ${this.name}`, ctx);
    return parseReport(stdout, kind);
  }

  async #change(file: string, args: readonly string[], label: string, ctx: OpContext): Promise<void> {
    await this.#run(file, args, label, ctx);
  }

  async #run(
    file: string,
    args: readonly string[],
    label: string,
    ctx: OpContext,
  ): Promise<{ stdout: string }> {
    try {
      // LVM warns of descriptors that it inherits; it inherits none that matter.
      const env = { LVM_SUPPRESS_FD_WARNINGS: "1" };
      return await this.#commands.run({ file, args, env, timeoutMs: this.#timeoutMs }, ctx);
    } catch (error) {
      throw lvmError(error, { group: this.name, label });
    }
  }
}

function volumeOf(row: ReportRow): Volume {
  return {
    name: field(row, "lv_name"),
    uuid: field(row, "lv_uuid"),
    tags: field(row, "lv_tags").split(","),
    bytes: countOf(row, "lv_size"),
    active: !["", "0"].includes(field(row, "lv_active")),
    thin: field(row, "segtype") === "thin",
  };
}

function poolRoom(pool: ReportRow): bigint {
  if (fractionOf(pool, "metadata_percent") >= POOL_LIMIT) return 0n;
  const room = POOL_LIMIT - fractionOf(pool, "data_percent");
  return room <= 0 ? 0n : BigInt(Math.floor(Number(countOf(pool, "lv_size")) * room));
}

/** What is written at once is a header and content; more comes as the guest writes, and is the operator's to watch. */
function requireRoom(pool: ReportRow, bytes: bigint, label: string): void {
  const room = poolRoom(pool);
  if (room > 0n) return;
  const [data, metadata] = [field(pool, "data_percent"), field(pool, "metadata_percent")];
  throw new LuksmithError(
    "NoSpace",
    `${label} (${bytes} bytes) would be in thin pool ${field(pool, "lv_name")}, which is nearly full (data ${data} %, metadata ${metadata} %); nothing was changed, extend the pool (lvextend) or remove volumes`,
  );
}
