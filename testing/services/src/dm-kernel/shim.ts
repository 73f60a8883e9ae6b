import { buffer } from "node:stream/consumers";
import { runInGuest } from "./dm-kernel.ts";

/** `shim.ts SOCKET PROGRAM ARGS…`: the program in the guest, with this process's input (where an argument is `-`), output and exit code. */
const [socket = "", ...argv] = process.argv.slice(2);
// Whose arguments do not name its input may have been given one that never ends.
const reads = argv.some((argument) => /^(--[a-z-]+=)?(-|\/dev\/stdin)$/.test(argument));
const stdin = reads ? await buffer(process.stdin) : Buffer.alloc(0);
const result = await runInGuest(socket, { argv, stdin });
process.stdout.write(result.stdout);
process.stderr.write(result.stderr);
process.exitCode = result.exitCode;
