import { lstatSync, readlinkSync, realpathSync, type Stats } from "node:fs";
import { dirname, resolve } from "node:path";

/** Who may change code that a host runs. */
export interface Trusted {
  readonly users: ReadonlySet<number>;
  /** May write what is group-writable; undefined: no group may. */
  readonly group?: number;
}

const GROUP_WRITES = 0o020;
const OTHERS_WRITE = 0o002;
const STICKY = 0o1000;

/**
 * Root, the user that runs the agent, and whoever can change the agent's own files: he needs no plugin to take the host
 * over. @param own a file of the agent's
 */
export function trustedBy(own: string): Trusted {
  const { uid, gid, mode } = lstatSync(realpathSync(own));
  const users = new Set([0, uid, process.geteuid?.() ?? 0]);
  return (mode & GROUP_WRITES) === 0 ? { users } : { users, group: gid };
}

/** Looks who can change files. A path that was found good is not looked at again; one that was not may be mended. */
export class FileTrust {
  readonly #trusted: Trusted;
  readonly #good = new Set<string>();

  constructor(trusted: Trusted) {
    this.#trusted = trusted;
  }

  /**
   * Looks at a file, the folders above it, and what links in its path point to.
   * @returns what somebody else can change, and why, for people; undefined: nothing
   */
  problem(path: string): string | undefined {
    if (this.#good.has(path)) return undefined;
    this.#good.add(path); // a circle of links cannot be loaded, and must end here
    const problem = this.#look(path);
    if (problem !== undefined) this.#good.delete(path);
    return problem;
  }

  #look(path: string): string | undefined {
    const above = dirname(path);
    const problem = above === path ? undefined : this.problem(above);
    if (problem !== undefined) return problem;
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (!stat) return undefined; // whoever imports it will say so
    if (!this.#trusted.users.has(stat.uid)) {
      return `${path} belongs to user ${stat.uid}, who is neither root nor the agent's user`;
    }
    if (stat.isSymbolicLink()) return this.problem(resolve(above, readlinkSync(path)));
    return this.#writers(path, stat);
  }

  #writers(path: string, stat: Stats): string | undefined {
    // In a sticky folder, such as /tmp, only the owner of an entry can replace it.
    if (stat.isDirectory() && (stat.mode & STICKY) !== 0) return undefined;
    const mode = (stat.mode & 0o7777).toString(8);
    if ((stat.mode & OTHERS_WRITE) !== 0) return `${path} can be changed by everybody (mode ${mode})`;
    if ((stat.mode & GROUP_WRITES) !== 0 && stat.gid !== this.#trusted.group) {
      return `${path} can be changed by group ${stat.gid} (mode ${mode})`;
    }
    return undefined;
  }
}
