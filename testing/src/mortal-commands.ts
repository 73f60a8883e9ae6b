import { ExecaRunner } from "../../packages/core/src/host/execa-runner.ts";
import { thisLife } from "./mortal.ts";

/** Programs after which a crash finds something changed. */
const CHANGES: ReadonlySet<string> = new Set([
  "lvcreate",
  "lvremove",
  "lvextend",
  "lvchange",
  "lvrename",
  "cryptsetup",
]);

/** Makes external programs know of lives; see `watchLives`. To be called once in a process. */
export function watchCommands(): void {
  // oxlint-disable-next-line typescript/unbound-method -- called with the runner that it is of
  const original = ExecaRunner.prototype.run;
  ExecaRunner.prototype.run = async function (command, ctx) {
    const life = thisLife();
    if (life?.isDead) return await new Promise(() => {});
    const result = await original.call(this, command, ctx);
    if (CHANGES.has(command.file)) life?.pass(`command: ${command.file}`);
    return result;
  };
}
