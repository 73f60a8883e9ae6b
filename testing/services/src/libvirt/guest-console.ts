import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** TCG on a busy machine: a boot takes seconds, or many. */
const BOOT_TIMEOUT_MS = 180_000;
const COMMAND_TIMEOUT_MS = 120_000;
const ANSWER_TIMEOUT_MS = 10_000;
const POLL_MS = 20;

interface Line {
  write(text: string): unknown;
  destroy(): unknown;
}

/** Talks to a tiny guest over its serial console, a unix socket that QEMU listens on. */
export class GuestConsole implements Disposable {
  readonly #path: string;
  #socket: Line | undefined;
  #text = "";

  constructor(path: string) {
    this.#path = path;
  }

  /** Everything that came since the last `ready`. */
  get text(): string {
    return this.#text;
  }

  /** Returns when the guest takes commands; which of its boots that is. */
  async ready(timeoutMs = BOOT_TIMEOUT_MS): Promise<string> {
    const match = await this.#wait(/GUEST-READY boot=(\S+) root=\S+\n|GUEST-PANIC.*\n/, timeoutMs);
    if (match[1] === undefined) throw new Error(`the guest gave up:\n${this.#text}`);
    this.#text = this.#text.slice(match.index + match[0].length);
    return match[1];
  }

  /** Runs a line of shell in the guest; its output without the last newline. Fails when the command does. */
  async run(command: string, timeoutMs = COMMAND_TIMEOUT_MS): Promise<string> {
    const id = `c${randomUUID().slice(0, 8)}`;
    // What is sent to nobody is lost.
    while (this.#socket === undefined) {
      this.#connect();
      await sleep(POLL_MS);
    }
    const begin = this.#text.length;
    // The guest's receive buffer is small, and a line that is longer than it would be lost.
    for (let at = 0; at <= command.length + id.length + 1; at += 200) {
      this.#socket?.write(`${id} ${command}\n`.slice(at, at + 200));
    }
    const { 0: end, 1: status, index } = await this.#wait(new RegExp(`${id}=(\\d+)\\n`), timeoutMs);
    const output = this.#text.slice(begin, index).replaceAll("\r", "");
    this.#text = this.#text.slice(index + end.length);
    if (status !== "0") throw new Error(`${command} ended with ${status} in the guest: ${output}`);
    return output.trimEnd();
  }

  /** Returns when a guest that runs takes commands: what is written first to a line that has just been made may be lost. */
  async answers(timeoutMs = COMMAND_TIMEOUT_MS): Promise<void> {
    const end = Date.now() + timeoutMs;
    for (;;) {
      try {
        await this.run("true", ANSWER_TIMEOUT_MS);
        return;
      } catch (error) {
        if (Date.now() > end) throw error;
      }
    }
  }

  /** Bytes of a disk as the guest sees it. */
  async size(device: string): Promise<bigint> {
    return BigInt(await this.run(`blockdev --getsize64 ${device}`));
  }

  /** Writes `text` over and over, past the guest's cache; `offset` and `bytes` are multiples of 4096. */
  async write(device: string, text: string, { offset = 0, bytes = 65_536 } = {}): Promise<void> {
    const [seek, blocks] = [offset / 4096, bytes / 4096];
    await this.run(
      `yes '${text}' | head -c ${bytes} | dd of=${device} bs=4096 seek=${seek} count=${blocks} iflag=fullblock conv=notrunc,fsync 2>/dev/null`,
    );
  }

  /** Whether `write` with the same arguments left what is read now, past the guest's cache. */
  async holds(device: string, text: string, { offset = 0, bytes = 65_536 } = {}): Promise<boolean> {
    const [skip, blocks] = [offset / 4096, bytes / 4096];
    await this.run("sync; echo 3 > /proc/sys/vm/drop_caches");
    const read = await this.run(`dd if=${device} bs=4096 skip=${skip} count=${blocks} 2>/dev/null | md5sum`);
    const expected = await this.run(`yes '${text}' | head -c ${bytes} | md5sum`);
    return read === expected;
  }

  /** Restarts within the same QEMU; `ready` waits for it. */
  reboot(): void {
    this.#text = "";
    this.#socket?.write("x sync; reboot -f\n");
  }

  /** The domain ends by itself. */
  powerOff(): void {
    this.#socket?.write("x sync; poweroff -f\n");
  }

  [Symbol.dispose](): void {
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  async #wait(pattern: RegExp, timeoutMs: number): Promise<RegExpExecArray> {
    const end = Date.now() + timeoutMs;
    for (;;) {
      if (this.#socket === undefined) this.#connect();
      const match = pattern.exec(this.#text);
      if (match) return match;
      if (Date.now() > end) {
        throw new Error(`the guest did not say ${pattern} in ${timeoutMs} ms; it said:\n${this.#text}`);
      }
      await sleep(POLL_MS);
    }
  }

  /** A new QEMU makes a new socket; the text before it is another guest's. */
  #connect(): void {
    if (!existsSync(this.#path)) return;
    const socket = connect(this.#path);
    this.#socket = socket;
    socket.setEncoding("latin1");
    socket.on("data", (text: string) => void (this.#text += text.replaceAll("\r", "")));
    socket.on("error", () => {});
    socket.once("close", () => {
      if (this.#socket === socket) this.#socket = undefined;
    });
  }
}
