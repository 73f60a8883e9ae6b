import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  GeneratedPassphrase,
  type Image,
  ImageCache,
  type ImageDisk,
  type ImagePolicy,
  type ImageServices,
  type ImageSource,
  LuksEngine,
  type Passphrase,
  secretName,
} from "@luksmith/core";
import { hostCommands } from "@luksmith/core/host";
import { InMemoryKeyManager } from "../key-manager/in-memory-key-manager.ts";
import { testContext, type TestContext } from "../test-context.ts";
import { FaultyCommands } from "./faulty-commands.ts";
import type { ImageBackendFixture, MakeImageBackend } from "./image-backend-fixture.ts";
import { RecordingCommands } from "./recording-commands.ts";
import { RecordingRollback } from "./recording-rollback.ts";

export const MIB = 1024 * 1024;

/** One for all benches of a process, which it does not keep alive: its thread takes longer to start than most rules. */
const LUKS = new LuksEngine({ threads: 1 });

/** A disk that was made, with what made it. */
export interface MadeDisk {
  readonly image: Image;
  /** As a host records it: with what it stands on. */
  readonly disk: ImageDisk;
  readonly passphrase: GeneratedPassphrase;
  readonly undo: RecordingRollback;
}

/** A backend's fixture with real services around it and a key manager in memory; for its own tests, too. */
export class BackendBench implements AsyncDisposable {
  readonly keys = new InMemoryKeyManager();
  readonly faults = new FaultyCommands(hostCommands());
  readonly commands = new RecordingCommands(this.faults);
  readonly ctx: TestContext = testContext();
  readonly services: ImageServices;
  readonly #passphrases: Passphrase[] = [];
  readonly #cachePath = mkdtempSync(join(tmpdir(), "luksmith-cache-"));
  #fixture: ImageBackendFixture | undefined;

  private constructor(policy: Partial<ImagePolicy>) {
    this.services = {
      keys: this.keys,
      luks: LUKS,
      commands: this.commands,
      cache: new ImageCache({
        instancesPath: this.#cachePath,
        commands: this.commands,
        luks: LUKS,
        timeoutMs: 60_000,
      }),
      policy: {
        pbkdfIterations: 1000,
        verify: "unlock",
        preallocate: "none",
        forceRaw: true,
        commandTimeoutMs: 60_000,
        ...policy,
      },
    };
  }

  static async open(make: MakeImageBackend, policy: Partial<ImagePolicy> = {}): Promise<BackendBench> {
    const bench = new BackendBench(policy);
    bench.#fixture = await make(bench.services);
    return bench;
  }

  get fixture(): ImageBackendFixture {
    if (!this.#fixture) throw new Error("the bench was not opened");
    return this.#fixture;
  }

  /** A new encrypted disk's description, its passphrase stored. */
  async describe(overrides: Partial<ImageDisk> = {}): Promise<MadeDisk> {
    const uuid = randomUUID();
    const instanceUuid = randomUUID();
    const passphrase = GeneratedPassphrase.create();
    this.#passphrases.push(passphrase);
    const { id } = await this.keys.create({ name: secretName(instanceUuid, uuid), passphrase }, this.ctx);
    const disk: ImageDisk = {
      instanceUuid,
      name: "disk",
      uuid,
      virtualSize: BigInt(4 * MIB),
      encryption: { format: "luks", secretId: id },
      ...overrides,
    };
    return { image: this.image(disk), disk, passphrase, undo: new RecordingRollback() };
  }

  image(disk: ImageDisk): Image {
    return this.fixture.backend.image(disk);
  }

  async create(
    source: ImageSource = { kind: "blank" },
    overrides: Partial<ImageDisk> = {},
  ): Promise<MadeDisk> {
    const made = await this.describe(overrides);
    await made.image.create({ source, passphrase: made.passphrase }, made.undo, this.ctx);
    const { backing } = made.image.source();
    return backing ? { ...made, disk: { ...made.disk, backing } } : made;
  }

  /** A plain disk. */
  async createPlain(source: ImageSource, virtualSize = BigInt(4 * MIB)): Promise<Image> {
    const disk = { instanceUuid: randomUUID(), name: "disk", uuid: randomUUID(), virtualSize };
    const image = this.image(disk);
    await image.create({ source }, new RecordingRollback(), this.ctx);
    return image;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#fixture?.[Symbol.asyncDispose]();
    for (const passphrase of this.#passphrases) passphrase[Symbol.dispose]();
    await this.keys.close();
    rmSync(this.#cachePath, { recursive: true, force: true });
  }
}
