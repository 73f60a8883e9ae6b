import { spawnSync } from "node:child_process";
import type { GuestRun, Qcow2File } from "../src/index.ts";

export const KIB = 1024n;
export const MIB = 1024n * KIB;
export const GIB = 1024n * MIB;
export const TIB = 1024n * GIB;

/** Whether the tools that these tests compare with are installed. */
export const hasQemu = ["qemu-img", "qemu-io"].every((tool) => spawnSync(tool, ["--version"]).status === 0);

/** Runs a tool and returns its exit code and all its output. */
export function run(tool: string, args: readonly string[]): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(tool, args, { encoding: "utf8", maxBuffer: 1 << 28 });
  return { status, output: stdout + stderr };
}

/** The same, but a failure is an error with the output in it. */
export function must(tool: string, ...args: string[]): string {
  const { status, output } = run(tool, args);
  if (status !== 0)
    throw new Error(`${tool} ${args.join(" ").slice(0, 2000)}: ${status}: ${output.slice(0, 2000)}`);
  return output;
}

/** An image for QEMU's tools. */
export interface TestImage {
  path: string;
  /** A file with its passphrase, if it is encrypted. */
  key?: string;
  /** Its backing image, where QEMU needs to be told a secret for it. */
  backing?: TestImage;
}

/** The arguments that make a tool open an image, decrypted; the format is always qcow2. */
export function opened(image: TestImage, more = ""): string[] {
  const secrets = (one: TestImage | undefined, id: string): string[] => [
    ...(one?.key === undefined ? [] : ["--object", `secret,id=${id},file=${one.key}`]),
    ...(one?.backing === undefined ? [] : secrets(one.backing, `${id}b`)),
  ];
  const options = (one: TestImage, id: string, prefix: string): string =>
    [
      ...(one.key === undefined ? [] : [`,${prefix}encrypt.key-secret=${id}`]),
      ...(one.backing === undefined ? [] : [options(one.backing, `${id}b`, `${prefix}backing.`)]),
    ].join("");
  const target = `driver=qcow2,file.filename=${image.path}${options(image, "key", "")}${more}`;
  return [...secrets(image, "key"), "--image-opts", target];
}

/** `qemu-img check`: no errors, no leaks. */
export function check(image: TestImage): void {
  const output = must("qemu-img", "check", ...opened(image));
  if (!output.includes("No errors were found")) throw new Error(output);
}

/** Runs qemu-io commands on the guest's view of an image. */
export function io(image: TestImage, ...commands: string[]): string {
  const output = must("qemu-io", ...commands.flatMap((command) => ["-c", command]), ...opened(image));
  if (/verification failed|error/iu.test(output)) throw new Error(output);
  return output;
}

/** All runs of an image. */
export async function runsOf(image: Qcow2File): Promise<GuestRun[]> {
  const all: GuestRun[] = [];
  for await (const one of image.runs()) all.push(one);
  return all;
}
