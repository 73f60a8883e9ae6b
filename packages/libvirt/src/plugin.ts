import {
  definePlugin,
  HealthChecks,
  Hypervisors,
  type PluginSettings,
  type Resolver,
  type SchemaResult,
  type StandardSchema,
} from "@luksmith/core";
import { libvirtChecks } from "./health-checks.ts";
import type { LazyConnection } from "./hypervisor/lazy-connection.ts";
import { LibvirtHypervisor } from "./hypervisor/libvirt-hypervisor.ts";
import { libvirtAddress } from "./rpc/socket-path.ts";

export { LibvirtHypervisor } from "./hypervisor/libvirt-hypervisor.ts";

/** The provider above is the only one. */
function connectionOf(resolver: Resolver): LazyConnection {
  return (resolver.get(Hypervisors) as LibvirtHypervisor).connection;
}

interface LibvirtPluginConfig {
  /** `[libvirt] connection_uri` */
  readonly uri: string;
  /** `[luksmith:libvirt] timeout`, in ms. */
  readonly timeoutMs: number;
}

const OWN_SECTION = "luksmith:libvirt";
const TIMEOUT = "timeout";
/** Seconds. */
const TIMEOUTS = { least: 1, default: 30, most: 3600 };

const Config: StandardSchema<LibvirtPluginConfig> = {
  "~standard": { version: 1, vendor: "luksmith", validate },
};

function validate(value: unknown): SchemaResult<LibvirtPluginConfig> {
  // A host gives its plugins nothing else.
  const { sections } = value as PluginSettings;
  const own = sections[OWN_SECTION] ?? {};
  const unknown = Object.keys(own).filter((name) => name !== TIMEOUT);
  if (unknown.length > 0) {
    return {
      issues: unknown.map((name) => ({
        message: `there is no such option; there is ${TIMEOUT}`,
        path: [OWN_SECTION, name],
      })),
    };
  }
  const seconds = Number(own[TIMEOUT] ?? TIMEOUTS.default);
  if (!Number.isInteger(seconds) || seconds < TIMEOUTS.least || seconds > TIMEOUTS.most) {
    const message = `must be a whole number of seconds from ${TIMEOUTS.least} to ${TIMEOUTS.most}`;
    return { issues: [{ message, path: [OWN_SECTION, TIMEOUT] }] };
  }
  const uri = sections["libvirt"]?.["connection_uri"] ?? "";
  try {
    libvirtAddress(String(uri));
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { issues: [{ message, path: ["libvirt", "connection_uri"] }] };
  }
  return { value: { uri: String(uri), timeoutMs: seconds * 1000 } };
}

/** Runs guests with libvirt; connects when it is first needed. */
export default definePlugin<LibvirtPluginConfig>({
  name: "libvirt",
  apiVersion: 1,
  config: Config,
  register(registrar, { uri, timeoutMs }) {
    registrar.provide(Hypervisors, () => new LibvirtHypervisor(uri, { timeoutMs }));
    registrar.contribute(HealthChecks, (resolver) => libvirtChecks(connectionOf(resolver)));
  },
});
