import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type CephEnv, type LibvirtEnv, sharedCeph, sharedLibvirt } from "@luksmith/testing-services";
import { onTestFinished } from "vitest";
import { LifeHost, type LifeHostOptions } from "./life-host.ts";
import { runTool } from "./run-tool.ts";
import { tempDirectory } from "./temp-directory.ts";
import { type TempHost, tempHost } from "./temp-host.ts";

export interface RbdHostOptions {
  /** Lines of `[libvirt]`. */
  readonly libvirt?: readonly string[];
  /** Lines of `[luksmith:backend-rbd]`. */
  readonly backend?: readonly string[];
}

/** Sections of a configuration with disks in a cluster. */
function rbdSections(ceph: CephEnv, { libvirt = [], backend = [] }: RbdHostOptions): readonly string[] {
  return [
    "[libvirt]",
    `images_rbd_pool = ${ceph.pool}`,
    `images_rbd_ceph_conf = ${ceph.conf}`,
    `rbd_user = ${ceph.user}`,
    ...libvirt,
    "[luksmith:backend-rbd]",
    ...backend,
  ];
}

/** A host without guests, whose disks are in a namespace of its own: all objects in it are its. */
export async function rbdHost(
  ceph: CephEnv,
  options: RbdHostOptions = {},
): Promise<{ readonly temp: TempHost; readonly namespace: string }> {
  const namespace = `h-${randomUUID()}`;
  await ceph.rbd(["namespace", "create", `${ceph.pool}/${namespace}`]);
  const backend = [`namespace = ${namespace}`, ...(options.backend ?? [])];
  const temp = tempHost({
    imagesType: "rbd",
    plugins: ["@luksmith/backend-rbd", "@luksmith/keymgr-local"],
    sections: rbdSections(ceph, { ...options, backend }),
  });
  return { temp, namespace };
}

/** A host that runs guests on the shared cluster, on the shared libvirt unless another is given. */
export async function rbdLifeHost(
  options: RbdHostOptions & { readonly env?: LibvirtEnv; readonly life?: LifeHostOptions } = {},
): Promise<LifeHost> {
  const { env = await sharedLibvirt(), life = {} } = options;
  return new LifeHost("rbd", env, await rbdLifeOptions(env, options, life));
}

/** For hosts on the shared cluster: their libvirt gets the key of the cluster's user. */
export async function rbdLifeOptions(
  env: LibvirtEnv,
  options: RbdHostOptions,
  life: LifeHostOptions,
): Promise<LifeHostOptions> {
  const ceph = await sharedCeph();
  const secret = await giveCephKey(env, ceph);
  const libvirt = [`rbd_secret_uuid = ${secret}`, ...(options.libvirt ?? [])];
  const namespace = options.backend?.find((line) => line.startsWith("namespace = "))?.slice(12);
  return {
    ...life,
    sections: [...(life.sections ?? []), ...rbdSections(ceph, { ...options, libvirt })],
    exists: async (path) => (await ceph.objects(namespace)).includes(`rbd_id.${path.split("/").at(-1)}`),
  };
}

/** As an operator does once for each host. */
async function giveCephKey(env: LibvirtEnv, ceph: CephEnv): Promise<string> {
  const uuid = randomUUID();
  const file = join(tempDirectory(), "secret.xml");
  const usage = `<usage type='ceph'><name>client.${ceph.user} ${uuid}</name></usage>`;
  // It outlives a restart of libvirtd, as operators are told.
  writeFileSync(file, `<secret ephemeral='no' private='yes'><uuid>${uuid}</uuid>${usage}</secret>`);
  await runTool("virsh", ["-q", "-c", env.uri, "secret-define", file]);
  onTestFinished(async () => {
    await runTool("virsh", ["-q", "-c", env.uri, "secret-undefine", uuid]).catch(() => undefined);
  });
  await runTool("virsh", ["-q", "-c", env.uri, "secret-set-value", uuid, "--base64", ceph.info.agentKey]);
  return uuid;
}
