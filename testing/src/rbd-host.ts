import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type CephEnv, type LibvirtEnv, sharedCeph, sharedLibvirt } from "@luksmith/testing-services";
import { onTestFinished } from "vitest";
import { LifeHost } from "./life-host.ts";
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

/** A host that runs guests on the shared cluster, whose libvirt has the key of the cluster's user. */
export async function rbdLifeHost(options: RbdHostOptions = {}): Promise<LifeHost> {
  const [ceph, env] = await Promise.all([sharedCeph(), sharedLibvirt()]);
  const secret = await giveCephKey(env, ceph);
  const libvirt = [`rbd_secret_uuid = ${secret}`, ...(options.libvirt ?? [])];
  return new LifeHost("rbd", env, {
    sections: rbdSections(ceph, { ...options, libvirt }),
    exists: async (path) => (await ceph.objects()).includes(`rbd_id.${path.split("/").at(-1)}`),
  });
}

/** As an operator does once for each host. */
async function giveCephKey(env: LibvirtEnv, ceph: CephEnv): Promise<string> {
  const uuid = randomUUID();
  const file = join(tempDirectory(), "secret.xml");
  const usage = `<usage type='ceph'><name>client.${ceph.user} ${uuid}</name></usage>`;
  writeFileSync(file, `<secret ephemeral='yes' private='yes'><uuid>${uuid}</uuid>${usage}</secret>`);
  await runTool("virsh", ["-q", "-c", env.uri, "secret-define", file]);
  onTestFinished(async () => {
    await runTool("virsh", ["-q", "-c", env.uri, "secret-undefine", uuid]);
  });
  await runTool("virsh", ["-q", "-c", env.uri, "secret-set-value", uuid, "--base64", ceph.info.agentKey]);
  return uuid;
}
