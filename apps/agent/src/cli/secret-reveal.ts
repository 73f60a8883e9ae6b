import { revealSecret } from "@luksmith/core/host";
import type { Session } from "../session.ts";

/** The bytes go out as they are: no newline, which would be part of a key file. */
export async function revealOne(session: Session, id: string): Promise<void> {
  const ctx = await session.context();
  await using host = await session.write(ctx);
  using passphrase = await revealSecret(host, id, ctx);
  const bytes = passphrase.use((secret) => Buffer.from(secret));
  try {
    if (session.json) await session.print({ passphrase: bytes.toString("utf8") }, () => "");
    else await session.io.stdout.write(bytes);
  } finally {
    bytes.fill(0);
  }
}
