import { serve as run } from "../daemon/daemon.ts";
import { version } from "../version.ts";
import type { Session } from "../session.ts";

export async function serve(session: Session): Promise<void> {
  const config = await session.config();
  const ctx = await session.serviceContext();
  const { env } = session.io;
  await run({ config, version: version(), env, open: (told) => session.write(ctx, told) }, ctx);
}
