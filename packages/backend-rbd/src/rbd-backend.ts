import { type ImageBackend, type ImageServices, isLuksmithError, type OpContext } from "@luksmith/core";
import { RBD_CAPABILITIES } from "./capabilities.ts";
import { RbdCluster } from "./ceph/rbd-cluster.ts";
import { CloneBases } from "./clone-bases.ts";
import type { RbdOptions } from "./config.ts";
import { listImages } from "./list-images.ts";
import { RbdImage } from "./rbd-image.ts";

/** Disks are `<instance uuid>_<disk name>` in the pool. Disposal ends the connection to Ceph. */
export function rbdBackend(
  options: RbdOptions,
  services: () => ImageServices,
): ImageBackend & AsyncDisposable {
  const cluster = new RbdCluster(options, () => services().commands);
  const bases = new CloneBases(cluster, services);
  return {
    name: "rbd",
    capabilities: RBD_CAPABILITIES,
    image: (disk) => new RbdImage(cluster, bases, disk, services()),
    bases,
    list: (ctx) => listImages(cluster, ctx),
    ready: (ctx) => trouble(cluster, ctx),
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  };
}

/** Why the pool cannot be used now. */
async function trouble(cluster: RbdCluster, ctx: OpContext): Promise<string | undefined> {
  try {
    await cluster.call("ready", {}, { what: `asking ${cluster.label}` }, ctx);
    return undefined;
  } catch (error) {
    if (!isLuksmithError(error) || error.category === "cancelled") throw error;
    return error.message;
  }
}
