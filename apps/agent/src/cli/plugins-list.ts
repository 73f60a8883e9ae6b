import { CATEGORIES, type PluginReport } from "@luksmith/core/host";
import { printable, table } from "../output/table.ts";
import type { Session } from "../session.ts";
import { probe, wrongs } from "./probe.ts";

/** @returns the exit code: that of a wrong configuration if anything could not be loaded */
export async function pluginsList(session: Session): Promise<number> {
  const report = await probe(session);
  await session.print(report, () => describe(report));
  if (report.ok) return 0;
  if (!session.json) await session.io.stderr.write(wrongs(report).join(""));
  return CATEGORIES.config.exitCode;
}

function describe({ details, backends, key_manager, image_service }: PluginReport): string {
  const plugins = details.map(({ plugin, version, api_version: api, provides, error }) => [
    printable(plugin),
    version ?? "-",
    api === null ? "-" : String(api),
    error
      ? `NOT LOADED (${error.code})`
      : provides.map(({ kind, name }) => `${kind} ${name ?? ""}`.trim()).join(", "),
  ]);
  const rows = backends.map((backend) => [
    backend.chosen ? `${backend.name} (chosen)` : backend.name,
    backend.formats.join(", "),
    backend.encryption.join(", ") || "none",
    backend.resize ? "yes" : "no",
    backend.snapshot.join(", ") || "no",
    backend.overlays ? "yes" : "no",
  ]);
  return [
    table(["PLUGIN", "VERSION", "API", "PROVIDES"], plugins),
    `\nkey manager    ${key_manager ?? "none"}\n`,
    `image service  ${image_service ?? "none"}\n\n`,
    table(["BACKEND", "FORMATS", "ENCRYPTION", "RESIZE", "SNAPSHOT", "OVERLAYS"], rows),
  ].join("");
}
