import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type FormattedContainer,
  formatContainer,
  GeneratedPassphrase,
  type Passphrase,
} from "@luksmith/luks";
import { createImage, type ImagePlan, planImage, type PlanRequest, Qcow2File } from "../src/index.ts";
import type { TestImage } from "./qemu.ts";

/** A directory that goes away with the test. */
export class Workspace implements AsyncDisposable {
  readonly path = mkdtempSync(join(tmpdir(), "luksmith-qcow2-"));
  readonly #handles: FileHandle[] = [];

  file(name: string = randomUUID()): string {
    return join(this.path, name);
  }

  key(secret: Passphrase | string): string {
    const file = this.file();
    const write = (bytes: Uint8Array | string): void => writeFileSync(file, bytes, { mode: 0o600 });
    if (typeof secret === "string") write(secret);
    else secret.use(write);
    return file;
  }

  async handle(path: string, flags = "r+"): Promise<FileHandle> {
    const handle = await open(path, flags);
    this.#handles.push(handle);
    return handle;
  }

  /** A new image of ours. */
  async image(request: Omit<PlanRequest, "luks"> & { encrypted: boolean }): Promise<OurImage> {
    const { encrypted, ...rest } = request;
    const plan = planImage({ ...rest, ...(encrypted ? { luks: {} } : {}) });
    const passphrase = GeneratedPassphrase.create();
    const container = encrypted
      ? formatContainer({ uuid: randomUUID(), passphrase, payloadOffset: 4040 })
      : undefined;
    const path = this.file();
    const handle = await this.handle(path, "wx+");
    await createImage(handle, plan, container);
    const key = encrypted ? { key: this.key(passphrase) } : {};
    return { path, ...key, plan, handle, container, passphrase, file: await Qcow2File.open(handle) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const handle of this.#handles) await handle.close();
    rmSync(this.path, { recursive: true, force: true });
  }
}

export interface OurImage extends TestImage {
  plan: ImagePlan;
  handle: FileHandle;
  file: Qcow2File;
  container: FormattedContainer | undefined;
  passphrase: GeneratedPassphrase;
}
