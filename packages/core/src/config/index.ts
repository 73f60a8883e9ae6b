export type { ConfigEntry, ConfigSource, HostConfig } from "./host-config.ts";
export { imagesBackendName } from "./images-backend-name.ts";
export { DEFAULT_CONFIG_FILES, loadConfig, type LoadConfigOptions } from "./load-config.ts";
export type { Deprecation, Option, OptionValue } from "./option.ts";
export { OPTIONS, PASS_THROUGH_SECTIONS, type ConfigValues } from "./options.ts";
export { parseConfig, type ConfigText } from "./parse-config.ts";
export { problemText, type ConfigProblem } from "./problem.ts";
