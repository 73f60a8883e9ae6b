import { readConfigFile } from "./config-file.ts";
import type { HostConfig } from "./host-config.ts";
import { parseConfig, type ConfigText } from "./parse-config.ts";

/** Read when no file is named, those that are there. */
export const DEFAULT_CONFIG_FILES: readonly string[] = ["/etc/nova/nova.conf", "/etc/luksmith/luksmith.conf"];

export interface LoadConfigOptions {
  /** What `--config-file` named, lowest precedence first; each must be there. Empty: `defaultFiles`. */
  readonly files?: readonly string[];
  /** Instead of `DEFAULT_CONFIG_FILES`; those that are not there are left out. */
  readonly defaultFiles?: readonly string[];
}

/**
 * Reads and checks the configuration. Nothing else is touched: paths in it need not exist.
 * @throws `ConfigNotFound` for a named file that is not there, `ConfigInvalid` with everything that is wrong
 */
export async function loadConfig(options: LoadConfigOptions = {}): Promise<HostConfig> {
  const { files = [], defaultFiles = DEFAULT_CONFIG_FILES } = options;
  const named = files.length > 0;
  const texts: ConfigText[] = [];
  for (const file of named ? files : defaultFiles) {
    const content = await readConfigFile(file, { required: named });
    if (content !== undefined) texts.push({ file, content });
  }
  return parseConfig(texts);
}
