import { CephEnv, type CephInfo } from "../ceph/ceph-env.ts";
import { askForShared } from "./ask-for-shared.ts";

let shared: Promise<CephEnv> | undefined;

/**
 * The Ceph cluster of this test run; the first call of the run starts it. Others use it at the same time: give images names,
 * or namespaces, of your own. A test that stops a daemon starts a cluster of its own.
 */
export function sharedCeph(): Promise<CephEnv> {
  return (shared ??= askForShared<CephInfo>("luksmithCeph").then((info) => new CephEnv(info)));
}
