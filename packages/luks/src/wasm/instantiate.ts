/** The part of the WebAssembly API used here: the ES library's types do not declare it. */
interface WebAssemblyApi {
  Memory: new (limits: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer };
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { readonly exports: unknown };
}

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- every Node has this global
const api = (globalThis as unknown as { WebAssembly: WebAssemblyApi }).WebAssembly;

/** Bytes in a WebAssembly page. */
export const PAGE = 65_536;

/** An instance of a kernel and the memory it works in. */
export interface Kernel<Exports> {
  readonly memory: Uint8Array<ArrayBuffer>;
  readonly run: Exports;
}

/**
 * Instantiates a kernel of this package on a memory of its own that never grows.
 *
 * @param base64 - the compiled module
 * @param bytes - how much memory it needs, rounded up to a page
 */
export function instantiate<Exports>(base64: string, bytes: number): Kernel<Exports> {
  const pages = Math.ceil(bytes / PAGE);
  const memory = new api.Memory({ initial: pages, maximum: pages });
  const module = new api.Module(Buffer.from(base64, "base64"));
  const { exports } = new api.Instance(module, { env: { memory } });
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the caller knows the kernel it compiled in
  return { memory: new Uint8Array(memory.buffer), run: exports as Exports };
}
