import { randomBytes } from "node:crypto";
import { readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { type CommandRunner, isLuksmithError, killKeySlot, type OpContext } from "@luksmith/core";
import type { Fault } from "./fault.ts";

const HEADER = 2 * 1024 * 1024;

/** Disks that are lost, found or copied wrong. */
export const BROKEN_LIFE: readonly Fault[] = [
  {
    what: "a verify that notes its time in the disk",
    rule: "IB-17",
    image: (image) => {
      const verify = image.verify.bind(image);
      return {
        verify: async (ctx) => {
          const report = await verify(ctx);
          const bytes = readFileSync(image.path);
          bytes.set(randomBytes(8), HEADER - 8);
          writeFileSync(image.path, bytes);
          return report;
        },
      };
    },
  },
  {
    what: "a size that is read from the inventory",
    rule: "IB-19",
    image: (image) => ({ actualSize: async () => image.disk.virtualSize }),
  },
  {
    what: "a resize that is declared and does nothing",
    rule: "IB-20",
    image: () => ({ resize: async () => {} }),
  },
  {
    what: "a removal that fails when the disk is gone",
    rule: "IB-23",
    image: (image) => ({
      remove: async () => {
        rmSync(image.path);
        rmSync(dirname(image.path), { recursive: true });
      },
    }),
  },
  {
    what: "a removal that takes the instance's other disks along",
    rule: "IB-25",
    image: (image) => ({ remove: async () => rmSync(dirname(image.path), { recursive: true, force: true }) }),
  },
  {
    what: "a snapshot over what is there",
    rule: "IB-27",
    image: (image) => {
      const snapshot = image.snapshot.bind(image);
      return {
        snapshot: async (target, undo, ctx) => {
          rmSync(target.path, { force: true });
          return await snapshot(target, undo, ctx);
        },
      };
    },
  },
  {
    what: "half a snapshot that stays",
    rule: "IB-28",
    image: (image) => {
      const snapshot = image.snapshot.bind(image);
      return {
        snapshot: async (target, undo, ctx) => {
          return await snapshot(target, undo, ctx).catch((error: unknown) => {
            writeFileSync(target.path, "half of it");
            throw error;
          });
        },
      };
    },
  },
  {
    what: "a snapshot in a format that it does not declare",
    rule: "IB-29",
    backend: ({ capabilities }) => ({ capabilities: { ...capabilities, snapshot: ["raw"] } }),
    image: () => ({ snapshot: async () => ({}) }),
  },
  {
    what: "a new key that is undone by its slot's number",
    rule: "IB-34",
    image: (image) => {
      const undo = image.undo.bind(image);
      return {
        undo: async (record, ctx) => {
          await undo(record, ctx);
          const file = readFileSync(image.path);
          for (const { offset, bytes } of killKeySlot(file, 1)) file.set(bytes, offset);
          writeFileSync(image.path, file);
        },
      };
    },
  },
  {
    what: "a tool's failure that is passed on as a bare error",
    rule: "IB-43",
    services: (services) => ({
      ...services,
      commands: {
        run: (command, ctx) =>
          services.commands.run(command, ctx).catch((error: unknown) => {
            throw new Error("the tool failed", { cause: error });
          }),
      },
    }),
  },
  {
    what: "commands that nothing cancels",
    rule: "IB-43",
    services: (services) => ({
      ...services,
      commands: {
        run: (command, ctx) =>
          services.commands.run(command, { ...ctx, signal: new AbortController().signal }),
      },
    }),
  },
  {
    what: "a rest beside the disk when a tool fails",
    rule: "IB-43",
    image: (image) => {
      const create = image.create.bind(image);
      return {
        create: async (request, undo, ctx) => {
          await create(request, undo, ctx).catch((error: unknown) => {
            if (isLuksmithError(error) && error.code !== "Cancelled") {
              writeFileSync(`${dirname(dirname(image.path))}/failed`, "");
            }
            throw error;
          });
        },
      };
    },
  },
  {
    what: "a tool's failure in growing that cuts the disk off",
    rule: "IB-44",
    image: (image, { commands }) => {
      const resize = image.resize.bind(image);
      return {
        resize: async (size, ctx) => {
          await tool(commands, ctx, () => truncateSync(image.path, HEADER));
          await resize(size, ctx);
        },
      };
    },
  },
  {
    what: "half a copy that stays when a tool fails",
    rule: "IB-45",
    image: (image, { commands }) => {
      const snapshot = image.snapshot.bind(image);
      return {
        snapshot: async (target, undo, ctx) => {
          await tool(commands, ctx, () => writeFileSync(target.path, "half of it"));
          return await snapshot(target, undo, ctx);
        },
      };
    },
  },
  {
    what: "a removal that cannot be tried again once a tool has failed",
    rule: "IB-46",
    image: (image, { commands }) => {
      let failed = false;
      const remove = image.remove.bind(image);
      return {
        remove: async (identity, ctx) => {
          if (failed) return;
          await tool(commands, ctx, () => (failed = true));
          await remove(identity, ctx);
        },
      };
    },
  },
  {
    what: "an encryption that it declares and does not make",
    rule: "IB-50",
    backend: ({ capabilities }) => ({ capabilities: { ...capabilities, encryption: ["luks", "luksv2"] } }),
    image: () => ({ requireEncryptionSupport: () => {} }),
  },
  {
    what: "snapshots that it can make and does not declare",
    rule: "IB-50",
    backend: ({ capabilities }) => ({ capabilities: { ...capabilities, snapshot: [] } }),
  },
  {
    what: "a backend that is never ready",
    rule: "IB-51",
    backend: () => ({ ready: async () => "not today" }),
  },
];

/** Runs a tool, as backends on volumes do; `spoil` when it fails. */
async function tool(commands: CommandRunner, ctx: OpContext, spoil: () => void): Promise<void> {
  await commands.run({ file: "true", args: [] }, ctx).catch((error: unknown) => {
    spoil();
    throw error;
  });
}
