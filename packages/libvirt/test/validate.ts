import { execFileSync } from "node:child_process";

/** Debian: libvirt0 has the schemas, libxml2-utils has xmllint. */
const SCHEMAS = "/usr/share/libvirt/schemas";

/** Throws unless the document is one by libvirt's own schema. */
export function validate(schema: "domain" | "secret" | "domainsnapshot", xml: string): void {
  const args = ["--noout", "--relaxng", `${SCHEMAS}/${schema}.rng`, "-"];
  execFileSync("xmllint", args, { input: xml, stdio: ["pipe", "ignore", "pipe"] });
}
