import { hostCommands, type OpContext } from "@luksmith/core/host";

/** How the service manager hears of us. */
export interface ServiceManager extends Disposable {
  ready(): Promise<void>;
  stopping(): Promise<void>;
}

/**
 * systemd, where it has started us (`NOTIFY_SOCKET`), else nobody. Its socket takes datagrams, which node has none of on unix
 * sockets, so systemd-notify(1) speaks for us. The watchdog is fed from the event loop: one that is stuck feeds it no more.
 */
export function serviceManager(
  env: Readonly<Record<string, string | undefined>>,
  ctx: OpContext,
): ServiceManager {
  const socket = env["NOTIFY_SOCKET"];
  if (!socket) return { ready: async () => {}, stopping: async () => {}, [Symbol.dispose]: () => {} };
  const commands = hostCommands();
  // Said to the end, also when we are told to stop.
  const steady = { ...ctx, signal: new AbortController().signal };
  const say = async (...args: readonly string[]): Promise<void> => {
    const command = { file: "systemd-notify", args, env: { NOTIFY_SOCKET: socket }, timeoutMs: 10_000 };
    try {
      await commands.run(command, steady);
    } catch (error) {
      ctx.log.warn({ err: error, args }, "systemd could not be told");
    }
  };
  const beat = watchdogMs(env);
  const timer = beat === undefined ? undefined : setInterval(() => void say("WATCHDOG=1"), beat);
  return {
    ready: () => say("--ready", "--status=taking requests"),
    stopping: () => say("STOPPING=1", "--status=letting running operations end"),
    [Symbol.dispose]: () => clearInterval(timer),
  };
}

/** A third of what systemd waits for, so that one lost beat does no harm. */
function watchdogMs(env: Readonly<Record<string, string | undefined>>): number | undefined {
  const microseconds = Number(env["WATCHDOG_USEC"]);
  const pid = env["WATCHDOG_PID"];
  if (!(microseconds > 0) || (pid !== undefined && pid !== String(process.pid))) return undefined;
  return microseconds / 3000;
}
