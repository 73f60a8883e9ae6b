export { diskXml, diskXmlOptions, type DiskXmlOptions } from "./disk-xml.ts";
export { type LibvirtSecret, secretUsage, secretXml } from "./secret-xml.ts";
