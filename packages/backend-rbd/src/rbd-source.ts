import type { DiskSource } from "@luksmith/core";
import type { RbdOptions } from "./config.ts";
import { monitorsOf } from "./monitors.ts";

/** What libvirt needs to know to give an image to a guest. */
export function rbdSource(options: RbdOptions, name: string, encrypted: boolean): DiskSource {
  const { pool, namespace, conf, user, secretUuid, engine } = options;
  const auth = secretUuid === undefined ? {} : { auth: { username: user ?? "admin", secretId: secretUuid } };
  return {
    type: "network",
    protocol: "rbd",
    name: [pool, ...(namespace ? [namespace] : []), name].join("/"),
    hosts: monitorsOf(conf),
    format: "raw",
    ...auth,
    ...(encrypted && engine === "librbd" ? { engine } : {}),
  };
}
