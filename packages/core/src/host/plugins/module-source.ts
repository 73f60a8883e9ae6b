/** Where a program finds its plugins; what it says depends on where the program itself is. */
export interface ModuleSource {
  /** A file of the program's own. */
  readonly own: string;
  /** The URL of the module that a name, an absolute path or a URL means. */
  readonly resolve: (specifier: string) => string;
  readonly import: (specifier: string) => Promise<unknown>;
}
