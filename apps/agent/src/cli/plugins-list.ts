import { listPlugins, type PluginReport } from "@luksmith/core/host";
import { printable, table } from "../output/table.ts";
import type { Session } from "../session.ts";

export async function pluginsList(session: Session): Promise<void> {
  await session.context();
  await using host = await session.read();
  const report = await listPlugins(host);
  await session.print(report, () => describe(report));
}

function describe({ plugins, backends, key_manager, image_service }: PluginReport): string {
  const rows = backends.map((backend) => [
    backend.chosen ? `${backend.name} (chosen)` : backend.name,
    backend.formats.join(", "),
    backend.encryption.join(", ") || "none",
    backend.resize ? "yes" : "no",
    backend.snapshot.join(", ") || "no",
    backend.overlays ? "yes" : "no",
  ]);
  return [
    ...plugins.map((plugin) => `plugin         ${printable(plugin)}\n`),
    `key manager    ${key_manager}\n`,
    `image service  ${image_service}\n\n`,
    table(["BACKEND", "FORMATS", "ENCRYPTION", "RESIZE", "SNAPSHOT", "OVERLAYS"], rows),
  ].join("");
}
