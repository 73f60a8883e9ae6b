import { revealSecret } from "@luksmith/core/host";
import type { Session } from "../session.ts";

/** The bytes go out as they are: no newline, which would be part of a key file. */
export async function revealOne(session: Session, id: string): Promise<void> {
  const bytes = await reveal(session, id);
  try {
    if (session.json) await session.print({ passphrase: bytes.toString("utf8") }, () => "");
    else await session.io.stdout.write(bytes);
  } finally {
    bytes.fill(0);
  }
}

async function reveal(session: Session, id: string): Promise<Buffer> {
  const daemon = await session.daemon();
  const ctx = await session.context();
  if (daemon) return await daemon.reveal(id, ctx);
  await using host = await session.write(ctx);
  using passphrase = await revealSecret(host, { id }, ctx);
  return passphrase.use((secret) => Buffer.from(secret));
}
