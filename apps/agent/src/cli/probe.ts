import { type PluginDetail, type PluginReport, probeInThread } from "@luksmith/core/host";
import type { Session } from "../session.ts";

/** The entry beside this file's folder: TypeScript when the sources run as they are, JavaScript when built. */
const ENTRY = new URL(`../plugin-thread${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);

/** Looks at plugins, by default at those that are configured. */
export async function probe(session: Session, plugins?: readonly string[]): Promise<PluginReport> {
  const { luksmith } = await session.config();
  return await probeInThread({
    entry: ENTRY,
    configFiles: session.configFiles,
    plugins: plugins ?? luksmith.plugins,
    timeoutMs: luksmith.plugin_timeout * 1000,
  });
}

/** What is wrong, one line each, as errors are printed. */
export function wrongs({ details, problems }: Pick<PluginReport, "details" | "problems">): readonly string[] {
  const errors = [...details.flatMap(({ error }: PluginDetail) => error ?? []), ...problems];
  return errors.map(({ code, message }) => `luksmith: ${code}: ${message}\n`);
}
