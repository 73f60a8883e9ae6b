import { GeneratedPassphrase } from "@luksmith/core";
import { expect } from "vitest";
import { findSecret } from "../key-manager/secret-search.ts";
import { MIB } from "./backend-bench.ts";
import { expectError } from "./bench-steps.ts";
import type { ImageBackendRule } from "./image-backend-rule.ts";
import { RecordingRollback } from "./recording-rollback.ts";

/** IB-30 and IB-31: the passphrase is nowhere but in the key manager. */
export const SECRECY_RULES: readonly ImageBackendRule[] = [
  {
    id: "IB-30",
    title: "has no passphrase in arguments, environments, outputs, logs, undo records or reports",
    async check(bench) {
      const { backend, snapshots } = bench.fixture;
      const source = { kind: "filesystem", format: "ext4", label: "ephemeral0" } as const;
      const { image, passphrase, undo } = await bench.create(source, { virtualSize: BigInt(16 * MIB) });
      using copied = GeneratedPassphrase.create();
      const rollback = new RecordingRollback();
      for (const format of snapshots ? backend.capabilities.snapshot : []) {
        const target = {
          path: snapshots?.target() ?? "",
          format,
          uuid: crypto.randomUUID(),
          operation: "op",
        };
        await image.snapshot({ ...target, passphrase: copied }, rollback, bench.ctx);
      }
      const report = await image.verify(bench.ctx);
      const evidence = [
        bench.commands.seen,
        bench.ctx.logged,
        report,
        undo,
        rollback,
        image.source(),
        image.path,
      ];
      expect(bench.commands.seen.length).toBeGreaterThan(0);
      for (const secret of [passphrase, copied]) expect(findSecret(secret, evidence)).toEqual([]);
    },
  },
  {
    id: "IB-31",
    title: "has no passphrase in its errors, and leaves the caller's alone",
    async check(bench) {
      const { image, passphrase, undo } = await bench.create();
      const again = () => image.create({ source: { kind: "blank" }, passphrase }, undo, bench.ctx);
      const error = await expectError(again, "DiskExists");
      expect(findSecret(passphrase, [error, error.cause, bench.ctx.logged])).toEqual([]);
      expect(
        passphrase.use((bytes) => bytes.some((byte) => byte !== 0)),
        "it was not wiped",
      ).toBe(true);
    },
  },
];
