import { constants } from "node:fs";
import { type FileHandle, open, readdir, statfs } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, ioError } from "../errors/io-error.ts";
import type { StoredDisk } from "../image/image-backend.ts";
import type { Bearing } from "../image/bearing.ts";
import { type OpContext, throwIfCancelled } from "../image/op-context.ts";
import { identityOf } from "./file-identity.ts";

const INSTANCE = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/u;
/** `disk`, `disk.eph0`; Nova's description and config drive are no disks of ours. */
const DISK = /^disk(?:\.(?!info$|config)[a-z0-9.-]+)?$/u;

/** File systems that several hosts mount: NFS, CIFS, SMB2, CephFS, GlusterFS and others over FUSE, GFS2, OCFS2, GPFS, Lustre. */
const SHARED: ReadonlySet<number> = new Set([
  0x6969, 0xff53_4d42, 0xfe53_4d42, 0x00c3_6400, 0x6573_5546, 0x0116_1970, 0x7461_636f, 0x4750_4653,
  0x0bd0_0bd0,
]);

/** What a backend makes of a file: undefined, that it is of another kind; else what it says of itself. */
export type Recognise = (file: FileHandle) => Promise<Bearing | undefined>;

/**
 * Files at `<instances_path>/<instance uuid>/<disk name>`, for `ImageBackend.list`. Links are not followed, and nothing is
 * locked: a file that is being written is listed as it is.
 * @throws what keeps a directory from being read
 */
export async function* listInstanceFiles(
  instancesPath: string,
  recognise: Recognise,
  ctx: OpContext,
): AsyncIterable<StoredDisk> {
  const instances = (await names(instancesPath)).filter((name) => INSTANCE.test(name));
  if (instances.length === 0) return;
  const shared = SHARED.has((await statfs(instancesPath)).type);
  for (const instanceUuid of instances) {
    for (const name of (await names(join(instancesPath, instanceUuid))).filter((each) => DISK.test(each))) {
      throwIfCancelled(ctx);
      const path = join(instancesPath, instanceUuid, name);
      await using file = await openFile(path);
      const found = file && (await recognise(file));
      if (!file || !found) continue;
      const stat = await file.stat({ bigint: true });
      const changed = new Date(Number(stat.ctimeNs / 1_000_000n)).toISOString();
      yield { path, instanceUuid, name, identity: identityOf(stat), ...found, changedAt: changed, shared };
    }
  }
}

async function names(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return [];
    throw ioError(error, `looking for disks in ${directory}`);
  }
}

/** Undefined: gone meanwhile, or no regular file. */
async function openFile(path: string): Promise<FileHandle | undefined> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    if ((await file.stat()).isFile()) return file;
    await file.close();
    return undefined;
  } catch (error) {
    if (["ENOENT", "ELOOP", "ENXIO"].includes(errnoOf(error) ?? "")) return undefined;
    throw ioError(error, `looking at ${path}`);
  }
}
