/** A Verdaccio on loopback, as a child process; ends with the channel to its parent. Configuration: the only argument, JSON. */
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { runServer } from "verdaccio";

process.on("disconnect", () => process.exit());

const server: Server = await runServer(JSON.parse(process.argv[2] ?? "{}"));
server.listen(0, "127.0.0.1", () => process.send?.({ port: (server.address() as AddressInfo).port }));
