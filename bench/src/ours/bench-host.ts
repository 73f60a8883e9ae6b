import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type OpContext, silentLogger } from "@luksmith/core";
import { loadConfig, WritableHost } from "@luksmith/core/host";

/** What every operation gets: says nothing, is never cancelled. */
export const benchContext: OpContext = {
  requestId: "req-bench",
  signal: new AbortController().signal,
  log: silentLogger,
};

/** Where a host of the benchmarks keeps its things. */
export interface HostPlaces {
  readonly instances: string;
  readonly images: string;
  readonly configFile: string;
}

/** A host as an operator would have it, with the defaults: raw files, the local key manager, `verify = unlock`. */
export async function openBenchHost(root: string): Promise<{ host: WritableHost; places: HostPlaces }> {
  const places = {
    instances: join(root, "instances"),
    images: join(root, "images"),
    configFile: join(root, "luksmith.conf"),
  };
  mkdirSync(places.instances, { recursive: true });
  mkdirSync(places.images);
  writeFileSync(
    places.configFile,
    [
      `[DEFAULT]`,
      `instances_path = ${places.instances}`,
      `[libvirt]`,
      `images_type = raw`,
      `[luksmith]`,
      `state_path = ${join(root, "state")}`,
      `images_path = ${places.images}`,
      "",
    ].join("\n"),
  );
  const config = await loadConfig({ files: [places.configFile] });
  const options = { importModule: (name: string) => import(name), command: "bench" };
  return { host: await WritableHost.write(config, options, benchContext), places };
}
