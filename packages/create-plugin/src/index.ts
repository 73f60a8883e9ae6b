export { createPlugin, type CreatedPlugin } from "./create-plugin.ts";
export { CreateError } from "./create-error.ts";
export {
  KINDS,
  LICENCES,
  type Kind,
  type Licence,
  type PluginOptions,
  type PluginSpec,
  specify,
} from "./plugin-spec.ts";
