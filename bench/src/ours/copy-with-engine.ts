import { fdatasync } from "node:fs";
import { open } from "node:fs/promises";
import { promisify } from "node:util";
import type { LuksEngine } from "@luksmith/luks";
import { type Cost, costOf } from "../harness/cost.ts";
import type { OurContainer } from "./our-container.ts";

const syncData = promisify(fdatasync);

/** Encrypts a file into a container and syncs, as the agent does. */
export function copyWithEngine(
  engine: LuksEngine,
  source: string,
  container: OurContainer,
  bytes: number,
): Promise<Cost> {
  const { fd, dataOffset, volumeKey } = container;
  return costOf(async () => {
    await using from = await open(source, "r");
    await engine.copy({
      from: { fd: from.fd, offset: 0n },
      to: { fd, offset: dataOffset, volumeKey },
      length: BigInt(bytes),
    });
    await syncData(fd);
  });
}
