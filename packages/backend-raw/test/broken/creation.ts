import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { addKeySlot, type GeneratedPassphrase, type Image, killKeySlot, unlock } from "@luksmith/core";
import { creating, type Fault } from "./fault.ts";

const HEADER = 2 * 1024 * 1024;

const textOf = (passphrase: GeneratedPassphrase | undefined): string =>
  passphrase?.use((bytes) => Buffer.from(bytes).toString()) ?? "";

/** Disks that come out other than they should, and passphrases that get out. */
export const BROKEN_CREATION: readonly Fault[] = [
  {
    what: "a folder that is made before anybody asks",
    rule: "IB-1",
    image: (image) => {
      mkdirSync(dirname(image.path), { recursive: true });
      return {};
    },
  },
  {
    what: "a back door: a second passphrase that opens each disk",
    rule: "IB-3",
    image: (image) =>
      creating(image, {
        after: ({ passphrase }) => {
          if (!passphrase) return;
          const area = readFileSync(image.path).subarray(0, HEADER);
          using key = unlock(area, passphrase).volumeKey;
          put(image, addKeySlot(area, key, { passphrase }));
        },
      }),
  },
  {
    what: "a disk whose key is gone once it was proven",
    rule: "IB-4",
    image: (image) => creating(image, { after: (_request, _undo, ctx) => image.erase(ctx) }),
  },
  { what: "a volume key that two disks share", rule: "IB-5", image: cloner() },
  {
    what: "plain disks that keep what was in their blocks",
    rule: "IB-9",
    image: (image) =>
      creating(image, {
        after: ({ passphrase }) => {
          if (passphrase) return;
          const bytes = readFileSync(image.path);
          bytes.fill("old", bytes.length - 4096);
          writeFileSync(image.path, bytes);
        },
      }),
  },
  {
    what: "a foreign disk that is formatted",
    rule: "IB-11",
    image: (image) => creating(image, { before: () => rmSync(image.path, { force: true }) }),
  },
  {
    what: "a plain disk where the passphrase is missing",
    rule: "IB-12",
    image: (image) => ({
      create: async ({ passphrase }) => {
        mkdirSync(dirname(image.path), { recursive: true });
        if (!passphrase) writeFileSync(image.path, Buffer.alloc(Number(image.disk.virtualSize)));
      },
    }),
  },
  {
    what: "records of undo that are forgotten",
    rule: "IB-14",
    image: (image) => {
      const create = image.create.bind(image);
      return { create: (request, _undo, ctx) => create(request, { defer: async () => {} }, ctx) };
    },
  },
  {
    what: "a passphrase in a command's arguments",
    rule: "IB-30",
    image: (image, { commands }) =>
      creating(image, {
        after: ({ passphrase }, _undo, ctx) =>
          commands.run({ file: "true", args: ["--key", textOf(passphrase)] }, ctx),
      }),
  },
  {
    what: "a passphrase in an error",
    rule: "IB-31",
    image: (image) => {
      const create = image.create.bind(image);
      return {
        create: async (request, undo, ctx) => {
          await create(request, undo, ctx).catch((error: unknown) => {
            throw Object.assign(error as Error, { request: textOf(request.passphrase) });
          });
        },
      };
    },
  },
  {
    what: "a size that is rounded up to whole pages",
    rule: "IB-48",
    image: (image) =>
      creating(image, {
        after: () => truncateSync(image.path, Math.ceil(readFileSync(image.path).length / 4096) * 4096),
      }),
  },
  {
    what: "a rest beside a formatted disk that no record tells of",
    rule: "IB-49",
    image: (image) =>
      creating(image, {
        after: ({ source }) => {
          if (source.kind === "filesystem") writeFileSync(`${image.path}.mkfs.log`, "mke2fs 1.47.0");
        },
      }),
  },
  {
    what: "a copy of the image in clear among the temporary files",
    rule: "IB-52",
    image: (image) =>
      creating(image, {
        before: ({ source }) => {
          if (source.kind !== "image") return;
          writeFileSync(join(tmpdir(), "image.raw"), readFileSync(source.image.path));
        },
      }),
  },
  {
    what: "a passphrase in the arguments of a program that it starts by itself",
    rule: "IB-53",
    image: (image) =>
      creating(image, {
        after: ({ passphrase }) =>
          new Promise((resolve) => {
            execFile("true", ["--key", textOf(passphrase)], resolve);
          }),
      }),
  },
  {
    what: "a passphrase in the environment of a program that it starts by itself",
    rule: "IB-53",
    image: (image) =>
      creating(image, {
        after: ({ passphrase }) =>
          new Promise((resolve) => {
            execFile(
              "sleep",
              ["0.2"],
              { env: { PATH: process.env["PATH"], KEY: textOf(passphrase) } },
              resolve,
            );
          }),
      }),
  },
  {
    what: "a passphrase in a temporary file",
    rule: "IB-53",
    image: (image) =>
      creating(image, {
        before: ({ passphrase }) => writeFileSync(join(tmpdir(), "key"), textOf(passphrase)),
      }),
  },
];

function put(image: Image, writes: ReturnType<typeof addKeySlot>): void {
  const file = readFileSync(image.path);
  for (const { offset, bytes } of writes) file.set(bytes, offset);
  writeFileSync(image.path, file);
}

/** Makes each disk's header of the first one's, with the passphrase changed: as who clones volumes does. */
function cloner(): NonNullable<Fault["image"]> {
  let first: { readonly area: Buffer; readonly passphrase: GeneratedPassphrase } | undefined;
  return (image) =>
    creating(image, {
      after: ({ passphrase }) => {
        if (!passphrase) return;
        const file = readFileSync(image.path);
        first ??= { area: Buffer.from(file.subarray(0, HEADER)), passphrase };
        if (first.passphrase === passphrase) return;
        using key = unlock(first.area, first.passphrase).volumeKey;
        const area = Buffer.from(first.area);
        for (const { offset, bytes } of addKeySlot(area, key, { passphrase })) area.set(bytes, offset);
        for (const { offset, bytes } of killKeySlot(area, 0)) area.set(bytes, offset);
        file.set(area, 0);
        writeFileSync(image.path, file);
      },
    });
}
