import { randomInt, randomUUID } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { keyringOf, newCephKey } from "./ceph-keyring.ts";

/** The pool that the agent may use, and one that it may not. */
export const POOL = "vms";
export const FOREIGN_POOL = "others";
export const AGENT = "agent";

const GIB = 1024 ** 3;

/** What a cluster's daemons and clients are told. */
export interface CephIds {
  readonly fsid: string;
  readonly osdFsid: string;
  readonly monPort: number;
  /** The agent's own, for a libvirt secret. */
  readonly agentKey: string;
}

/**
 * Writes configuration and keyrings of one monitor and one OSD that keeps its objects in memory. All keys exist before the
 * monitor does, so that nobody has to be asked for them.
 */
export async function writeCephConfiguration(directory: string, monPort: number): Promise<CephIds> {
  for (const name of ["mon", "osd", "run", "log"]) await mkdir(join(directory, name), { mode: 0o700 });
  const ids = { fsid: randomUUID(), osdFsid: randomUUID(), monPort, agentKey: newCephKey() };
  await writeFile(join(directory, "ceph.conf"), configuration(directory, ids));
  const keyring = async (file: string, ...entities: Parameters<typeof keyringOf>[0]) =>
    writeFile(join(directory, file), keyringOf(entities), { mode: 0o600 });
  const admin = { name: "client.admin", key: newCephKey(), caps: { mon: "allow *", osd: "allow *" } };
  const caps = { mon: "profile rbd", osd: `profile rbd pool=${POOL}`, mgr: `profile rbd pool=${POOL}` };
  const agent = { name: `client.${AGENT}`, key: ids.agentKey, caps };
  const osd = { name: "osd.0", key: newCephKey(), caps: { mon: "allow profile osd", osd: "allow *" } };
  const mon = { name: "mon.", key: newCephKey(), caps: { mon: "allow *" } };
  await keyring("admin.keyring", admin);
  await keyring("agent.keyring", agent);
  await keyring("osd.keyring", osd);
  await keyring("boot.keyring", mon, admin, agent, osd);
  return ids;
}

function configuration(directory: string, { fsid, monPort }: CephIds): string {
  const firstPort = randomInt(20_000, 31_000);
  return `[global]
fsid = ${fsid}
mon_host = v2:127.0.0.1:${monPort}/0
public_network = 127.0.0.0/8
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
ms_bind_msgr1 = false
ms_bind_ipv6 = false
ms_bind_port_min = ${firstPort}
ms_bind_port_max = ${firstPort + 500}
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx
auth_allow_insecure_global_id_reclaim = false
run_dir = ${directory}/run
log_file = ${directory}/log/$name.log
crash_dir = ${directory}/log
admin_socket =
pid_file =
keyring = ${directory}/admin.keyring
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 8
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_warn_on_pool_no_redundancy = false
[client]
log_file =
[client.${AGENT}]
keyring = ${directory}/agent.keyring
[mon]
mon_data = ${directory}/mon
keyring = ${directory}/mon/keyring
mon_data_avail_crit = 1
mon_osd_min_down_reporters = 1
mon_cluster_log_file = ${directory}/log/cluster.log
mon_compact_on_start = false
# The defaults, a second and a twentieth, are paid at each change of the cluster's map.
paxos_propose_interval = 0.02
paxos_min_wait = 0.01
[osd]
osd_data = ${directory}/osd
keyring = ${directory}/osd.keyring
osd_objectstore = memstore
memstore_device_bytes = ${4 * GIB}
osd_max_object_name_len = 460
osd_max_object_namespace_len = 64
osd_op_num_shards = 2
osd_op_num_threads_per_shard = 1
osd_client_message_size_cap = 67108864
osd_fast_shutdown = true
`;
}
