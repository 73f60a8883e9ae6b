/**
 * The main job, shown: a real Nova server and Glance image become encrypted disks, and tools that we did not write
 * prove it. Uses a folder of its own and leaves nothing.
 *
 *     demo.ts [--images-type raw|qcow2] [--openstack]
 *
 * Both types by default. With --openstack: passphrases in a real Barbican, the image in a real Glance, traits in a real
 * Placement, all started here.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { DemoCloud, type DemoRequest } from "./demo/cloud.ts";
import { DemoHost } from "./demo/host.ts";
import { showMainJob } from "./demo/main-job.ts";
import { failed, say } from "./demo/report.ts";
import { must } from "./demo/shell.ts";

const ROOT = resolve(import.meta.dirname, "..");
const REQUEST = join(ROOT, "examples", "encrypted-server.json");
const IMAGE_TEXT = "this text is on the image of the demo";
const TYPES = ["raw", "qcow2"];

const { values } = parseArgs({
  options: { "images-type": { type: "string" }, openstack: { type: "boolean", default: false } },
});
const only = values["images-type"];
if (only !== undefined && !TYPES.includes(only)) {
  process.stderr.write(`--images-type is ${TYPES.join(" or ")}, not ${only}\n`);
  process.exit(64);
}

const started = performance.now();
const folder = mkdtempSync(join(tmpdir(), "luksmith-demo-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(130));

const request = JSON.parse(readFileSync(REQUEST, "utf8")) as DemoRequest & {
  server: {
    name: string;
    flavor: { original_name: string; extra_specs: Record<string, string> };
  };
  image: { name: string };
};
const { server, image } = request;
const path = makeImage();

say(
  `Request   ${REQUEST.slice(ROOT.length + 1)}: server ${server.name}, flavor ${server.flavor.original_name}`,
);
for (const [key, value] of Object.entries(server.flavor.extra_specs)) say(`          ${key} = ${value}`);
say(`Image     ${image.name}: ${image.size} bytes of ext4, made for this demo`);

await using cloud = values.openstack ? await DemoCloud.start() : undefined;
const requestFile = (await cloud?.adopt(request, path, folder)) ?? REQUEST;
const hostOptions = cloud?.hostOptions() ?? { luksmith: `images_path = ${join(folder, "images")}` };

for (const type of only === undefined ? TYPES : [only]) {
  say(`\n───── [libvirt] images_type = ${type} ─────\n`);
  const host = new DemoHost(join(folder, type), type, hostOptions);
  const source = { path, bytes: image.size, text: Buffer.from(IMAGE_TEXT) };
  showMainJob(host, { request: requestFile, server: server.id, image: source, cloud });
  await cloud?.checkSecretsGone();
  rmSync(host.folder, { recursive: true });
}

const seconds = ((performance.now() - started) / 1000).toFixed(1);
say(failed() === 0 ? `\nEvery proof held. ${seconds} s.` : `\n${failed()} proofs FAILED. ${seconds} s.`);
process.exitCode = failed() === 0 ? 0 : 1;

/** An image of the size that the request declares, with known text in it. */
function makeImage(): string {
  for (const name of ["images", "tree"]) mkdirSync(join(folder, name));
  writeFileSync(join(folder, "tree", "hello.txt"), `${IMAGE_TEXT}\n`.repeat(1000));
  const file = join(folder, "images", image.id);
  must("mke2fs", ["-q", "-t", "ext4", "-d", join(folder, "tree"), file, `${image.size / 1024}k`]);
  return file;
}
