import { renameSync, rmSync, truncateSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Image, OpContext, SnapshotTarget } from "@luksmith/core";
import { type Fault, withLuks } from "./fault.ts";

/** Methods that do too little, or too much. */
export const CARELESS: readonly Fault[] = [
  {
    what: "a disk one sector too large",
    rule: "IB-2",
    image: (image) => {
      const create = image.create.bind(image);
      return {
        create: async (...args) => {
          await create(...args);
          truncateSync(image.path, Number(image.disk.virtualSize) + 2 * 1024 * 1024 + 512);
        },
      };
    },
  },
  {
    what: "a plain disk where encryption was asked for",
    rule: "IB-3",
    image: (image) => {
      const plain = Object.assign(Object.create(image) as Image, {
        disk: { ...image.disk, encryption: undefined },
      });
      return { create: (...args) => Object.getPrototypeOf(image).create.apply(plain, args) as Promise<void> };
    },
  },
  {
    what: "content that is written in clear",
    rule: "IB-6",
    services: (services) =>
      withLuks(services, {
        copy: ({ to: { fd, offset }, ...rest }) => services.luks.copy({ ...rest, to: { fd, offset } }),
      }),
  },
  {
    what: "a file system that is written in clear",
    rule: "IB-7",
    services: (services) =>
      withLuks(services, {
        copy: ({ to: { fd, offset }, ...rest }) => services.luks.copy({ ...rest, to: { fd, offset } }),
      }),
  },
  {
    what: "formats that are accepted though nobody can make them",
    rule: "IB-10",
    image: () => ({ requireEncryptionSupport: () => {} }),
  },
  {
    what: "an undo that goes by the name",
    rule: "IB-15",
    image: (image) => ({ undo: async () => remove(image) }),
  },
  { what: "an undo that does nothing", rule: "IB-13", image: () => ({ undo: async () => {} }) },
  { what: "a create that cannot be cancelled", rule: "IB-16", image: deaf },
  { what: "a verify that never fails", rule: "IB-18", image: verifiesAll },
  {
    what: "a resize that shrinks",
    rule: "IB-21",
    image: (image) => ({
      resize: async (size) => truncateSync(image.path, Number(size) + 2 * 1024 * 1024),
    }),
  },
  { what: "an erase that does nothing", rule: "IB-22", image: () => ({ erase: async () => {} }) },
  {
    what: "a removal that goes by the name",
    rule: "IB-24",
    image: (image) => ({ remove: async () => remove(image) }),
  },
  { what: "a snapshot in clear", rule: "IB-26", image: copiesInClear },
  { what: "a rekey that keeps the old key", rule: "IB-32", image: () => ({ dropKey: async () => {} }) },
  {
    what: "a header whose writes are lost",
    rule: "IB-32",
    image: () => ({ rekey: async () => ({ keySlot: 0, salt: "" }) }),
  },
  { what: "a new key that is not taken back", rule: "IB-33", image: () => ({ undo: async () => {} }) },
  {
    what: "a rekey that asks nobody",
    rule: "IB-35",
    image: () => ({ rekey: async () => ({ keySlot: 0, salt: "" }) }),
  },
  { what: "a flatten that does nothing", rule: "IB-39", image: () => ({ flatten: async () => {} }) },
  {
    what: "a rename to somewhere else",
    rule: "IB-40",
    image: (image) => ({
      rename: async (_identity, name) => renameSync(image.path, join(dirname(image.path), `${name}x`)),
    }),
  },
  {
    what: "a rename over another disk",
    rule: "IB-41",
    image: (image) => ({
      rename: async (_identity, name) => renameSync(image.path, join(dirname(image.path), name)),
    }),
  },
  { what: "a copy that is proven unseen", rule: "IB-42", image: () => ({ proveCopy: async () => {} }) },
  { what: "a copy that stays", rule: "IB-42", image: () => ({ removeCopy: async () => {} }) },
  { what: "a passphrase in the log", rule: "IB-30", image: logsPassphrase },
];

function remove(image: Image): void {
  rmSync(image.path, { force: true });
}

function deaf(image: Image): Partial<Image> {
  const create = image.create.bind(image);
  const { signal } = new AbortController();
  return { create: (request, undo, ctx) => create(request, undo, { ...ctx, signal }) };
}

function verifiesAll(image: Image): Partial<Image> {
  const { uuid, name } = image.disk;
  return { verify: async () => ({ uuid, name, path: image.path, ok: true, checks: [] }) };
}

function copiesInClear(image: Image): Partial<Image> {
  const snapshot = image.snapshot.bind(image);
  return {
    snapshot: ({ path, format, uuid, operation }: SnapshotTarget, undo, ctx) =>
      snapshot({ path, format, uuid, operation }, undo, ctx),
  };
}

function logsPassphrase(image: Image): Partial<Image> {
  const create = image.create.bind(image);
  return {
    create: async (request, undo, ctx: OpContext) => {
      const text = request.passphrase?.use((bytes) => Buffer.from(bytes).toString());
      ctx.log.debug({ text }, "creating");
      await create(request, undo, ctx);
    },
  };
}
