import { execa } from "execa";

/** Where a small file system is mounted, inside the namespace of one process. */
export interface SmallFilesystem {
  /** Give it to `startChild` as `through`. */
  readonly through: readonly string[];
}

/**
 * A command that mounts a tmpfs of `bytes` at `path` for the process that it starts, and for it alone. Root or not: in
 * a mount namespace of its own, and for an ordinary user in a user namespace too.
 * @param before a shell command that puts into it what must be there
 */
export function smallFilesystem(path: string, bytes: number, before = ":"): SmallFilesystem {
  const asRoot = process.geteuid?.() === 0 ? [] : ["--map-root-user"];
  const script = `mount -t tmpfs -o size=${bytes},mode=0755 tmpfs '${path}' && { ${before}; } && exec "$@"`;
  return { through: ["unshare", ...asRoot, "--mount", "sh", "-c", script, "sh"] };
}

/** Fails with what the host said when it does not allow mounts even in a namespace. */
export async function requireNamespaces(): Promise<void> {
  const { through } = smallFilesystem("/mnt", 65_536);
  const [file = "", ...args] = through;
  await execa(file, [...args, "true"]);
}
