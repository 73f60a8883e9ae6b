import { LuksmithError } from "@luksmith/core";
import * as z from "zod";
import { findYaml, type SearchPath, type YamlFile } from "./yaml-files.ts";
import { DEFAULT_DOMAIN_ID, type Values } from "./values.ts";

const Settings = z.record(z.string(), z.unknown());
type Settings = z.infer<typeof Settings>;
const File = z.object({ clouds: z.record(z.string(), Settings.nullable()).nullish() });

/**
 * One cloud of clouds.yaml with what secure.yaml adds to it, under keystoneauth's names.
 * @throws `ConfigInvalid` if there is no such file or no such cloud, or if it refers to a vendor's profile
 */
export async function cloudValues(
  name: string,
  clouds: SearchPath,
  secure: SearchPath,
  region: string | undefined,
): Promise<Values> {
  const file = await findYaml("clouds", clouds);
  const secrets = await findYaml("secure", secure);
  // A cloud may stand in secure.yaml alone.
  const cloud = file && (settingsOf(file, name) ?? (secrets && settingsOf(secrets, name)));
  if (file === undefined) throw noFile(name);
  if (cloud === undefined) throw noCloud(name, file);
  const merged = withRegion(merge(cloud, (secrets && settingsOf(secrets, name)) ?? {}), region);
  refuseProfile(merged, name, file);
  const auth = Settings.catch({}).parse(merged["auth"]);
  return {
    where: `cloud "${name}" in ${file.path}`,
    spell: (key) => key,
    code: "ConfigInvalid",
    defaultDomainId: DEFAULT_DOMAIN_ID,
    // What stands in `auth` goes before what stands beside it; dashes are an older spelling.
    get: (key) =>
      text(auth[key]) ?? text(auth[dashed(key)]) ?? text(merged[key]) ?? text(merged[dashed(key)]),
  };
}

function dashed(name: string): string {
  return name.replaceAll("_", "-");
}

function text(value: unknown): string | undefined {
  if (typeof value === "string") return value === "" ? undefined : value;
  return typeof value === "number" || typeof value === "boolean" ? String(value) : undefined;
}

function settingsOf(file: YamlFile, name: string): Settings | undefined {
  if (file.content === null || file.content === undefined) return undefined;
  const parsed = File.safeParse(file.content);
  if (parsed.success) return parsed.data.clouds?.[name] ?? undefined;
  const at = parsed.error.issues[0]?.path.join(".") ?? "";
  throw new LuksmithError("ConfigInvalid", `${file.path}: "${at}" is not what it should be; correct it`);
}

/** As openstacksdk merges the two files: mappings into each other, anything else replaces. */
function merge(below: Settings, above: Settings): Settings {
  const merged = { ...below };
  for (const [key, value] of Object.entries(above)) {
    const inner = Settings.safeParse(value);
    const old = Settings.safeParse(merged[key]);
    merged[key] = inner.success && old.success ? merge(old.data, inner.data) : value;
  }
  return merged;
}

/** `regions` lists names, or names with settings of their own; the first is the default. */
function withRegion(cloud: Settings, wanted: string | undefined): Settings {
  const Region = z.union([
    z.string().transform((name) => ({ name, values: {} })),
    z.object({ name: z.string(), values: Settings.default({}) }),
  ]);
  const regions = z.array(Region).catch([]).parse(cloud["regions"]);
  const name = wanted ?? text(cloud["region_name"]) ?? regions[0]?.name;
  const region = regions.find((one) => one.name === name);
  return { ...merge(cloud, region?.values ?? {}), ...(name === undefined ? {} : { region_name: name }) };
}

function refuseProfile(cloud: Settings, name: string, file: YamlFile): void {
  if (text(cloud["profile"]) === undefined && text(cloud["cloud"]) === undefined) return;
  if (text(Settings.catch({}).parse(cloud["auth"])["auth_url"]) !== undefined) return;
  throw new LuksmithError(
    "ConfigInvalid",
    `cloud "${name}" in ${file.path} refers to a vendor's profile, and those are not known here; ` +
      `write its auth_url and settings into the file`,
  );
}

function noFile(name: string): LuksmithError {
  const message =
    `cloud "${name}" was asked for, but there is no clouds.yaml in this directory, in ~/.config/openstack ` +
    `or in /etc/openstack; write one, or name it in OS_CLIENT_CONFIG_FILE`;
  return new LuksmithError("ConfigInvalid", message);
}

function noCloud(name: string, file: YamlFile): LuksmithError {
  const known = Object.keys(File.safeParse(file.content).data?.clouds ?? {}).sort();
  const list = known.length === 0 ? "it has none" : `it has ${known.join(", ")}`;
  return new LuksmithError("ConfigInvalid", `there is no cloud "${name}" in ${file.path}: ${list}`);
}
