import { writeFile } from "node:fs/promises";
import wabt from "wabt";
import { sha256ChainWat } from "./sha256-chain-wat.ts";
import { xtsKernelWat } from "./xts-kernel-wat.ts";

/** Assembles WebAssembly text. */
export async function assemble(wat: string): Promise<Uint8Array> {
  const module = (await wabt()).parseWat("kernel.wat", wat, { simd: true });
  try {
    module.validate();
    return module.toBinary({}).buffer;
  } finally {
    module.destroy();
  }
}

/** The kernels and the sources of their committed bytes. A test assembles each again and compares. */
export const KERNELS = {
  XTS_KERNEL: { wat: xtsKernelWat, file: "xts-kernel-bytes.ts" },
  SHA256_CHAIN: { wat: sha256ChainWat, file: "sha256-chain-bytes.ts" },
} as const;

if (import.meta.main) {
  for (const [name, { wat, file }] of Object.entries(KERNELS)) {
    const base64 = Buffer.from(await assemble(wat())).toString("base64");
    const lines = base64.match(/.{1,100}/gu) ?? [];
    const source = `/** Compiled from \`kernels/\`, base64. Regenerate with \`node kernels/assemble.ts\`; do not edit. */
export const ${name} = [\n${lines.map((line) => `  "${line}",\n`).join("")}].join("");\n`;
    await writeFile(new URL(`../src/wasm/${file}`, import.meta.url), source);
  }
}
