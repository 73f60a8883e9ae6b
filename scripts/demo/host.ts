import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { must } from "./shell.ts";

const ROOT = resolve(import.meta.dirname, "../..");

export interface DemoHostOptions {
  /** Lines for `[luksmith]`. */
  readonly luksmith: string;
  /** Further sections. */
  readonly sections?: string;
  /** Variables of the user who gives the commands. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A host of its own in a folder: configuration, directories, and the command. */
export class DemoHost {
  readonly folder: string;
  readonly instances: string;

  readonly #env: Readonly<Record<string, string>>;

  constructor(folder: string, imagesType: string, { luksmith, sections = "", env = {} }: DemoHostOptions) {
    this.folder = folder;
    this.#env = env;
    this.instances = join(folder, "instances");
    mkdirSync(this.instances, { recursive: true });
    writeFileSync(
      this.#configFile,
      `[DEFAULT]\ninstances_path = ${this.instances}\n[libvirt]\nimages_type = ${imagesType}\nvirt_type = qemu\n` +
        `[luksmith]\nstate_path = ${folder}/state\n${luksmith}\n${sections}`,
    );
  }

  luksmith(...args: readonly string[]): Buffer {
    const agent = join(ROOT, "apps/agent/bin/luksmith.js");
    return must(process.execPath, [agent, "--config-file", this.#configFile, ...args], { env: this.#env });
  }

  json(...args: readonly string[]): unknown {
    return JSON.parse(this.luksmith("--json", ...args).toString());
  }

  get #configFile(): string {
    return join(this.folder, "luksmith.conf");
  }
}
