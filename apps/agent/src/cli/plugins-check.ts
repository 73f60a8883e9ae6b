import { CATEGORIES, type PluginDetail, type PluginReport } from "@luksmith/core/host";
import { printable } from "../output/table.ts";
import type { Session } from "../session.ts";
import { probe } from "./probe.ts";

/**
 * @param name one plugin: with the others if it is configured, alone if not
 * @returns the exit code
 */
export async function pluginsCheck(session: Session, name: string | undefined): Promise<number> {
  const { luksmith } = await session.config();
  const configured = name === undefined || luksmith.plugins.includes(name);
  const whole = await probe(session, configured ? luksmith.plugins : [name]);
  const report = name === undefined ? whole : only(whole, name, configured);
  await session.print(report, () => describe(report));
  return report.ok ? 0 : CATEGORIES.config.exitCode;
}

/** What the report says of one plugin. Alone, it lacks what the others provide; that is nothing against it. */
function only(report: PluginReport, name: string, configured: boolean): PluginReport {
  const details = report.details.filter(({ plugin }) => plugin === name);
  const problems = configured ? report.problems : [];
  const warnings = configured ? report.warnings : [];
  const ok = problems.length === 0 && details.every(({ error }) => error === null);
  return { ...report, ok, details, problems, warnings };
}

function describe({ core, details, problems, warnings }: PluginReport): string {
  const { current, oldest } = core.plugin_api;
  const window = oldest === current ? String(current) : `${oldest} to ${current}`;
  return [
    `core ${core.version}, plugin API ${window}\n\n`,
    ...details.map(describePlugin),
    ...problems.map(({ code, message }) => `error    ${code}: ${message}\n`),
    ...warnings.map((warning) => `warning  ${warning}\n`),
  ].join("");
}

function describePlugin(detail: PluginDetail): string {
  const { plugin, name, version, api_version: api, config_section: section } = detail;
  const provides = detail.provides.map((each) => `${each.kind} ${each.name ?? ""}`.trim()).join(", ");
  return [
    `${printable(plugin)}: ${detail.error ? "NOT USABLE" : "ok"}\n`,
    `  package  ${detail.package === null ? "none" : printable(`${detail.package} ${version}`)}\n`,
    ...(name === null
      ? []
      : [`  plugin   ${printable(name)}, made for plugin API ${api}, section [${section}]\n`]),
    ...(provides ? [`  provides ${printable(provides)}\n`] : []),
    `  files    ${detail.files.replace("-", " ")}\n`,
    ...(detail.error ? [`  error    ${detail.error.code}: ${printable(detail.error.message)}\n`] : []),
    ...detail.warnings.map((warning) => `  warning  ${printable(warning)}\n`),
  ].join("");
}
