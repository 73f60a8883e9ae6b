/** Where a program finds its plugins; what it says depends on where the program itself is. */
export interface ModuleSource {
  /** A file of the program's own. */
  readonly own: string;
  /** The URL of the module that a name, an absolute path or a URL means. */
  readonly resolve: (specifier: string) => string;
  /**
   * Runs a module's code before it is imported, without returning to the event loop, so that one that never returns can be
   * stopped; undefined where the program has no such way. What it throws does not count: importing says it again.
   * @param path of the module's file
   */
  readonly runSync?: (path: string) => unknown;
  readonly import: (specifier: string) => Promise<unknown>;
}
