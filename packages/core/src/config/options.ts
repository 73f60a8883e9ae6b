import { IMAGE_CACHE_OPTIONS } from "./image-cache-options.ts";
import { LIBVIRT_OPTIONS } from "./libvirt-options.ts";
import { LUKSMITH_OPTIONS } from "./luksmith-options.ts";
import { NOVA_OPTIONS } from "./nova-options.ts";
import type { Option, ValuesOf } from "./option.ts";

const TABLE = [...NOVA_OPTIONS, ...LIBVIRT_OPTIONS, ...IMAGE_CACHE_OPTIONS, ...LUKSMITH_OPTIONS] as const;

/** The value of every option in the table: `values.libvirt.images_type`. */
export type ConfigValues = ValuesOf<(typeof TABLE)[number]>;

/** Every option the host knows, in the order of `config show` and the reference. */
export const OPTIONS: readonly Option[] = TABLE;

/** Nova's sections that are kept as text for the plugins that talk to those services. */
export const PASS_THROUGH_SECTIONS: readonly string[] = [
  "barbican",
  "placement",
  "glance",
  "keystone_authtoken",
  "service_user",
];

/** Plugins' own sections are named `[luksmith:<plugin>]`. */
export const PLUGIN_SECTION_PREFIX = "luksmith:";

/** Whether the host keeps a section for plugins without knowing its options. */
export function isPassThrough(section: string): boolean {
  return PASS_THROUGH_SECTIONS.includes(section) || section.startsWith(PLUGIN_SECTION_PREFIX);
}
