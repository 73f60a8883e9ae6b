import { join } from "node:path";
import { type ReleasedPackage } from "./packages.ts";
import { run } from "./run.ts";

/** Packs as `publish` does: `workspace:` ranges become versions. @returns the tarball's path */
export async function pack({ folder }: ReleasedPackage, destination: string): Promise<string> {
  const output = await run("pnpm", ["pack", "--json", "--pack-destination", destination], { cwd: folder });
  const { filename } = JSON.parse(output) as { filename: string };
  return join(destination, filename.split("/").at(-1) ?? filename);
}
