import { readFileSync } from "node:fs";
import type { RbdPlace } from "@luksmith/core";

const USUAL_CONF = "/etc/ceph/ceph.conf";

/**
 * The monitors that a configuration file of Ceph names. A guest's XML holds them, so that its QEMU needs no file of its own;
 * none where the file cannot be read or leaves them to DNS: QEMU then looks where Ceph itself looks.
 */
export function monitorsOf(conf: string): RbdPlace["hosts"] {
  let text: string;
  try {
    text = readFileSync(conf || USUAL_CONF, "utf8");
  } catch {
    return [];
  }
  return parseMonitors(text);
}

/** From `mon_host`, or `mon host`, of `[global]`: `10.0.0.1, 10.0.0.2:6789`, `[v2:10.0.0.1:3300/0,v1:10.0.0.1:6789/0]`. */
export function parseMonitors(text: string): RbdPlace["hosts"] {
  const value = optionOf(text, "global", "mon host");
  return split(value ?? "", /[\s,;]/).flatMap((monitor) => hostOf(monitor) ?? []);
}

/** At separators outside of brackets, which hold the addresses of one monitor, or an IPv6 address. */
function split(text: string, separator: RegExp): readonly string[] {
  const words: string[] = [];
  let word = "";
  let depth = 0;
  for (const character of text) {
    if (character === "[") depth++;
    if (character === "]") depth--;
    if (depth > 0 || !separator.test(character)) word += character;
    else word = (words.push(word), "");
  }
  return [...words, word].filter((each) => each !== "");
}

function hostOf(monitor: string): RbdPlace["hosts"][number] | undefined {
  const group = /^\[(v\d:.*)\]$/.exec(monitor)?.[1];
  const addresses = split(group ?? monitor, /,/);
  const chosen = addresses.find((address) => address.startsWith("v2:")) ?? addresses[0] ?? "";
  const plain = chosen.replace(/^v\d:/, "").replace(/\/\d+$/, "");
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(plain);
  // An IPv6 address by itself has more than one colon.
  const host = match ? (match[1] ?? match[2]) : plain;
  if (host === undefined || host === "") return undefined;
  const port = match?.[3];
  return { name: host, ...(port === undefined ? {} : { port }) };
}

function optionOf(text: string, wantedSection: string, wanted: string): string | undefined {
  let section = "";
  let found: string | undefined;
  for (const line of text.split("\n").map((each) => each.replace(/(^|\s)[#;].*/, "").trim())) {
    const header = /^\[(.*)\]$/.exec(line)?.[1];
    if (header !== undefined && !line.includes("=")) section = header.trim();
    const [name = "", ...value] = line.split("=");
    if (section === wantedSection && name.trim().replaceAll(/[_-]/g, " ") === wanted) {
      found = value.join("=").trim();
    }
  }
  return found;
}
