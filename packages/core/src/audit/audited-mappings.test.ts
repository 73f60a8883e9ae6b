import { expect, test } from "vitest";
import { silentLogger } from "../log/logger.ts";
import type { AuditEvent } from "./audit-event.ts";
import { auditedMappings } from "./audited-mappings.ts";

const disk = {
  instanceUuid: "6a1b2c3d-0000-4000-8000-000000000001",
  name: "disk",
  uuid: "6a1b2c3d-0000-4000-8000-000000000002",
  virtualSize: 512n,
  encryption: { format: "luks", secretId: "s1" },
} as const;
const origin = { via: "socket", who: "somebody", purpose: "start" } as const;
const ctx = { requestId: "req-1", signal: new AbortController().signal, log: silentLogger, origin };

test("a device that shows a disk in clear is told of, whose it is and who asked for it", async () => {
  const told: AuditEvent[] = [];
  const mapped = auditedMappings({ append: async (...events) => void told.push(...events) });
  await mapped({ disk, path: "/dev/mapper/x-luks", open: true }, ctx);
  await mapped({ disk, path: "/dev/mapper/x-luks", open: false }, ctx);
  const about = {
    outcome: "ok",
    request: "req-1",
    origin,
    instance: disk.instanceUuid,
    disk: { uuid: disk.uuid, name: "disk" },
    secret: "s1",
    details: { mapping: "/dev/mapper/x-luks" },
  };
  expect(told).toEqual([
    { event: "mapping.opened", ...about },
    { event: "mapping.closed", ...about },
  ]);
});

test("what cannot be told is the caller's to take back", async () => {
  const mapped = auditedMappings({ append: () => Promise.reject(new Error("full")) });
  await expect(mapped({ disk, path: "/dev/mapper/x-luks", open: true }, ctx)).rejects.toThrow("full");
});
