import { resolve } from "node:path";
import { type ContainerReport, inspectContainer } from "@luksmith/core/host";
import { containerDocument } from "../output/container-document.ts";
import { drawContainer } from "../output/draw-container.ts";
import type { Session } from "../session.ts";

/** Needs no configuration: it is what one reaches for when things are broken. */
export async function inspect(session: Session, file: string): Promise<void> {
  const report: ContainerReport = await inspectContainer(resolve(session.io.cwd, file));
  const document = containerDocument(report);
  await session.print(document, () => drawContainer(document));
}
