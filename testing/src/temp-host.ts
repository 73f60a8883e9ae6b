import { randomUUID } from "node:crypto";
import { mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { OpContext, Passphrase } from "@luksmith/core";
import {
  type HostConfig,
  type InstanceRequest,
  type JournalListener,
  loadConfig,
  parseRequest,
  ReadableHost,
  WritableHost,
} from "@luksmith/core/host";
import { randomImage } from "./source-image.ts";
import { requestJson, type RequestKnobs } from "./request-json.ts";
import { tempDirectory } from "./temp-directory.ts";
import { importWorkspace, testContext } from "./workspace.ts";

export interface TempHostOptions {
  /** Lines added to `[DEFAULT]`, `[libvirt]`, `[luksmith]`. */
  readonly DEFAULT?: readonly string[];
  readonly luksmith?: readonly string[];
  /** raw by default. */
  readonly imagesType?: string;
  /** Instead of the raw backend and the local key manager. */
  readonly plugins?: readonly string[];
  /** Further sections, whole. */
  readonly sections?: readonly string[];
  /** Where everything is; a temporary directory by default. */
  readonly root?: string;
}

const LOCAL_PLUGINS = ["@luksmith/backend-raw", "@luksmith/keymgr-local"];

/** Directories and a configuration for a host that uses raw files and the local key manager, unless told otherwise. */
export class TempHost {
  readonly root: string;
  readonly instancesPath: string;
  readonly imagesPath: string;
  readonly statePath: string;
  readonly configFile: string;

  constructor(options: TempHostOptions = {}) {
    this.root = options.root ?? tempDirectory();
    this.instancesPath = join(this.root, "instances");
    this.imagesPath = join(this.root, "images");
    this.statePath = join(this.root, "state");
    this.configFile = join(this.root, "luksmith.conf");
    for (const path of [this.instancesPath, this.imagesPath]) mkdirSync(path, { recursive: true });
    const lines = [
      "[DEFAULT]",
      `instances_path = ${this.instancesPath}`,
      ...(options.DEFAULT ?? []),
      "[libvirt]",
      `images_type = ${options.imagesType ?? "raw"}`,
      "virt_type = qemu",
      "[luksmith]",
      `plugins = ${(options.plugins ?? LOCAL_PLUGINS).join(", ")}`,
      `state_path = ${this.statePath}`,
      `images_path = ${this.imagesPath}`,
      ...(options.luksmith ?? []),
      ...(options.sections ?? []),
    ];
    writeFileSync(this.configFile, `${lines.join("\n")}\n`);
  }

  config(): Promise<HostConfig> {
    return loadConfig({ files: [this.configFile] });
  }

  /** Opens it for writing, which recovers; the caller disposes it. */
  async write(ctx: OpContext = testContext(), onJournal?: JournalListener): Promise<WritableHost> {
    const options = { importModule: importWorkspace, command: "a test" };
    return await WritableHost.write(
      await this.config(),
      onJournal ? { ...options, onJournal } : options,
      ctx,
    );
  }

  async read(): Promise<ReadableHost> {
    return ReadableHost.read(await this.config(), importWorkspace);
  }

  /** Puts a random image of `bytes` where the host finds it; its id. */
  addImage(bytes: number, id: string = randomUUID()): string {
    randomImage(join(this.imagesPath, id), bytes);
    return id;
  }

  imageFile(id: string): string {
    return join(this.imagesPath, id);
  }

  /** REQUEST.json for an image of this host. */
  json(image: string, knobs: Omit<RequestKnobs, "image" | "imageBytes"> = {}): Record<string, unknown> {
    return requestJson({ ...knobs, image, imageBytes: statSync(this.imageFile(image)).size });
  }

  request(image: string, knobs: Omit<RequestKnobs, "image" | "imageBytes"> = {}): Promise<InstanceRequest> {
    return parseRequest(this.json(image, knobs));
  }
}

export function tempHost(options: TempHostOptions = {}): TempHost {
  return new TempHost(options);
}

/** A disk's or snapshot's passphrase; the caller disposes it. */
export async function passphraseOf(
  host: ReadableHost,
  secretId: string | null | undefined,
): Promise<Passphrase> {
  const services = await host.services();
  return await services.keys.get({ id: secretId ?? "" }, testContext());
}
