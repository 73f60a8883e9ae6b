import { CATEGORIES, type InstanceReport, type VerifyReport } from "@luksmith/core/host";
import { verifyDocument } from "../output/verify-document.ts";
import { printable } from "../output/table.ts";
import type { Session } from "../session.ts";

export async function verify(session: Session, id: string | undefined): Promise<number> {
  const ctx = await session.context();
  await using host = await session.read();
  const document = await verifyDocument(host, id, ctx);
  await session.print(document, () => describeReports(document.instances));
  return document.ok ? 0 : CATEGORIES.integrity.exitCode;
}

function describeReports(instances: readonly InstanceReport[]): string {
  if (instances.length === 0) return "nothing was made on this host\n";
  return instances
    .map(({ uuid, disks }) => `instance ${uuid}\n${disks.map(describeReport).join("")}`)
    .join("\n");
}

function describeReport({ name, path, ok, checks }: VerifyReport): string {
  const lines = checks.map((check) => `    ${check.result}  ${check.name}: ${printable(check.message)}\n`);
  return `  ${name} ${ok ? "ok" : "FAILED"} (${printable(path)})\n${lines.join("")}`;
}
