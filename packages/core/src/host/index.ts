export { loadConfig, type LoadConfigOptions, type HostConfig } from "../config/index.ts";
export { ExecaRunner } from "./execa-runner.ts";
export { type OpenHostOptions, ReadableHost, WritableHost } from "./host.ts";
export { HostServices } from "./host-services.ts";
export { type ImportModule, loadPlugins } from "./load-plugins.ts";
export { Container } from "../di/container.ts";
