// Runs commands one after the other, inside whatever it was itself started in, and prints what came of each as JSON.
import { spawnSync } from "node:child_process";

const commands = JSON.parse(process.argv[2]);
const results = commands.map(([file, ...args]) => {
  const { status, stdout, stderr } = spawnSync(file, args, { encoding: "utf8" });
  return { command: [file, ...args].join(" "), status, stdout, stderr };
});
process.stdout.write(JSON.stringify(results));
