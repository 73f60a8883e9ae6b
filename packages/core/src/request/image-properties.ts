/** Fields that Glance itself gives an image; what remains is a property. */
const GLANCE_FIELDS = new Set([
  "id",
  "name",
  "status",
  "visibility",
  "protected",
  "checksum",
  "os_hash_algo",
  "os_hash_value",
  "os_hidden",
  "owner",
  "size",
  "virtual_size",
  "container_format",
  "disk_format",
  "created_at",
  "updated_at",
  "tags",
  "direct_url",
  "locations",
  "min_ram",
  "min_disk",
  "self",
  "file",
  "schema",
  "stores",
  "properties",
]);

/** Spellings of architectures that Nova reads as another. */
const ARCHITECTURES = new Map([
  ["i386", "i686"],
  ["i486", "i686"],
  ["i586", "i686"],
  ["x86_32", "i686"],
  ["x86_32p", "i686"],
  ["amd64", "x86_64"],
]);

/**
 * The properties of an image as strings, flat as in Glance v2 or nested under `properties`, with the older names that
 * matter for disks read as Nova reads them (`architecture`, `vmware_adaptertype`).
 */
export function imageProperties(image: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  const nested = image["properties"];
  const own = Object.entries(image).filter(([key]) => !GLANCE_FIELDS.has(key));
  const all = typeof nested === "object" && nested !== null ? [...own, ...Object.entries(nested)] : own;
  const properties = new Map(all.flatMap(([key, value]) => scalarEntry(key, value)));
  fillIn(properties, "hw_architecture", properties.get("architecture"));
  const adapter = properties.get("vmware_adaptertype");
  if (adapter) fillIn(properties, "hw_disk_bus", adapter === "ide" ? "ide" : "scsi");
  const arch = properties.get("hw_architecture")?.toLowerCase();
  if (arch !== undefined) properties.set("hw_architecture", ARCHITECTURES.get(arch) ?? arch);
  return Object.fromEntries(properties);
}

function scalarEntry(key: string, value: unknown): [string, string][] {
  if (typeof value === "string") return [[key, value]];
  if (typeof value === "number" || typeof value === "boolean") return [[key, String(value)]];
  return [];
}

function fillIn(properties: Map<string, string>, key: string, value: string | undefined): void {
  if (value !== undefined && !properties.has(key)) properties.set(key, value);
}
