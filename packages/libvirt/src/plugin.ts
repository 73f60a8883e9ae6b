import {
  definePlugin,
  Hypervisors,
  type PluginSettings,
  type SchemaResult,
  type StandardSchema,
} from "@luksmith/core";
import { LibvirtHypervisor } from "./hypervisor/libvirt-hypervisor.ts";
import { libvirtAddress } from "./rpc/socket-path.ts";

export { LibvirtHypervisor } from "./hypervisor/libvirt-hypervisor.ts";

/** `[libvirt] connection_uri`; the plugin has no options of its own. */
interface LibvirtPluginConfig {
  readonly uri: string;
}

const OWN_SECTION = "luksmith:libvirt";

const Config: StandardSchema<LibvirtPluginConfig> = {
  "~standard": { version: 1, vendor: "luksmith", validate },
};

function validate(value: unknown): SchemaResult<LibvirtPluginConfig> {
  // A host gives its plugins nothing else.
  const { sections } = value as PluginSettings;
  const own = Object.keys(sections[OWN_SECTION] ?? {});
  if (own.length > 0) {
    return { issues: own.map((name) => ({ message: "there is no such option", path: [OWN_SECTION, name] })) };
  }
  const uri = sections["libvirt"]?.["connection_uri"] ?? "";
  try {
    libvirtAddress(String(uri));
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { issues: [{ message, path: ["libvirt", "connection_uri"] }] };
  }
  return { value: { uri: String(uri) } };
}

/** Runs guests with libvirt; connects when it is first needed. */
export default definePlugin<LibvirtPluginConfig>({
  name: "libvirt",
  apiVersion: 1,
  config: Config,
  register(registrar, { uri }) {
    registrar.provide(Hypervisors, () => new LibvirtHypervisor(uri));
  },
});
