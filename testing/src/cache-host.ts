import { createHash } from "node:crypto";
import { appendFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { deleteById, verifyDisks, type WritableHost } from "@luksmith/core/host";
import { expect } from "vitest";
import { fakeTool } from "./fake-tool.ts";
import { runTool } from "./run-tool.ts";
import { randomImage } from "./source-image.ts";
import { type TempHost, tempHost, type TempHostOptions } from "./temp-host.ts";
import { testContext } from "./workspace.ts";

export type ImagesType = "raw" | "qcow2";

/** A host with the qcow2 backend beside the raw one. */
export function cacheHost(imagesType: ImagesType, options: TempHostOptions = {}): TempHost {
  const temp = tempHost(options);
  const text = readFileSync(temp.configFile, "utf8")
    .replace("images_type = raw", `images_type = ${imagesType}`)
    .replace("@luksmith/backend-raw,", "@luksmith/backend-raw, @luksmith/backend-qcow2,");
  writeFileSync(temp.configFile, text);
  return temp;
}

/** Configuration of another agent that has the same instances, and a state of its own. */
export function secondAgent(temp: TempHost, name: string): string {
  const path = join(temp.root, `${name}.conf`);
  const text = readFileSync(temp.configFile, "utf8");
  writeFileSync(path, text.replace(temp.statePath, `${temp.statePath}-${name}`));
  return path;
}

/** Puts a qcow2 image of random bytes where the host finds it. */
export async function addQcow2Image(temp: TempHost, bytes: number): Promise<{ id: string; sha256: string }> {
  const id = temp.addImage(0);
  const raw = join(temp.root, "source.raw");
  const sha256 = randomImage(raw, bytes);
  rmSync(temp.imageFile(id));
  await runTool("qemu-img", ["convert", "-f", "raw", "-O", "qcow2", raw, temp.imageFile(id)]);
  rmSync(raw);
  return { id, sha256 };
}

/** Counts conversions: a qemu-img before the real one. `before` is run at each. */
export function countedConversions(temp: TempHost, before = ":"): { path: string; count: () => number } {
  const log = join(temp.root, "conversions");
  const path = fakeTool(
    "qemu-img",
    `if [ "$1" = convert ]; then echo x >> '${log}'; ${before}; fi; PATH="$REAL" exec qemu-img "$@"`,
  );
  return {
    path,
    count: () => (existsSync(log) ? readFileSync(log, "utf8").trim().split("\n").length : 0),
  };
}

export function baseFile(temp: TempHost, image: string): string {
  return join(temp.instancesPath, "_base", createHash("sha1").update(image).digest("hex"));
}

export function sha256Of(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

/** Fails unless the cache has this whole base and nothing else. */
export function expectOneBase(temp: TempHost, image: string, sha256: string): void {
  const path = baseFile(temp, image);
  expect(readdirSync(join(temp.instancesPath, "_base"))).toEqual([path.split("/").at(-1)]);
  expect(sha256Of(path)).toBe(sha256);
}

/** Fails unless disks, secrets and inventory agree and all disks open. */
export async function expectGood(temp: TempHost, host: WritableHost, count: number): Promise<void> {
  expect(host.journal.unfinished()).toEqual([]);
  const disks = host.inventory.instances().flatMap((instance) => instance.disks);
  expect(disks).toHaveLength(count);
  const services = await host.services();
  const stored: string[] = [];
  for await (const { id } of services.keys.list?.({}, testContext()) ?? []) stored.push(id);
  expect(stored.toSorted()).toEqual(disks.flatMap(({ encryption }) => encryption?.secretId ?? []).toSorted());
  for (const { disks: reports } of await verifyDisks(host, undefined, testContext())) {
    expect(reports.filter(({ ok }) => !ok)).toEqual([]);
  }
}

/** Names below the instances' directory, without the cache and its locks. */
export function instanceNames(temp: TempHost): readonly string[] {
  return readdirSync(temp.instancesPath).filter((name) => name !== "_base" && name !== "locks");
}

/** As if nothing had been made yet, so that the next create fills the cache. */
export async function startOver(temp: TempHost, host: WritableHost, image: string): Promise<void> {
  for (const { uuid } of host.inventory.instances()) {
    await deleteById(host, uuid, { forgetMissing: false }, testContext());
  }
  rmSync(baseFile(temp, image), { force: true });
}

/** Adds lines to the end of the configuration: sections of their own. */
export function configure(temp: TempHost, ...lines: readonly string[]): void {
  appendFileSync(temp.configFile, `${lines.join("\n")}\n`);
}
