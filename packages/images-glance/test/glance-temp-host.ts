import { readFileSync, writeFileSync } from "node:fs";
import { cacheHost, configure, type ImagesType } from "../../../testing/src/cache-host.ts";
import type { TempHost } from "../../../testing/src/index.ts";

const PLUGINS = ["backend-raw", "backend-qcow2", "keymgr-local", "images-glance"];

/** A host whose images come from Glance. @param glance lines of `[glance]` */
export function glanceTempHost(imagesType: ImagesType, glance: readonly string[]): TempHost {
  const temp = cacheHost(imagesType);
  const plugins = PLUGINS.map((name) => `@luksmith/${name}`).join(", ");
  const text = readFileSync(temp.configFile, "utf8").replace(/^plugins = .*$/m, `plugins = ${plugins}`);
  writeFileSync(temp.configFile, text);
  configure(temp, "[glance]", ...glance);
  return temp;
}
