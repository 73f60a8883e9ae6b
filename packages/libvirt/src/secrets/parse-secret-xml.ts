import type { SecretAttributes } from "../libvirt-secrets.ts";
import { attribute, parseRoot } from "../xml-document.ts";

/** @throws `DomainXmlInvalid` */
export function parseSecretXml(xml: string): SecretAttributes {
  const root = parseRoot(xml, "a secret's definition", "secret");
  return {
    ephemeral: attribute(root, "ephemeral") === "yes",
    private: attribute(root, "private") === "yes",
  };
}
