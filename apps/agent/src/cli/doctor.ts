import { guardedImport, isLuksmithError } from "@luksmith/core/host";
import {
  doctor as action,
  type DoctorDocument,
  type DoctorInput,
  doctorDocument,
  examine,
} from "../actions/doctor.ts";
import { printable } from "../output/table.ts";
import { pluginModules } from "../plugin-modules.ts";
import type { Session } from "../session.ts";

/** As monitoring plugins have it; other codes mean that there was no examination. */
const EXIT_CODES = { ok: 0, info: 0, warning: 1, error: 2 } as const;

export async function doctor(session: Session, input: DoctorInput): Promise<number> {
  const document = await look(session, input);
  await session.print(document, () => describe(document));
  return EXIT_CODES[document.status];
}

async function look(session: Session, input: DoctorInput): Promise<DoctorDocument> {
  const config = await session.config().catch((error: unknown) => {
    if (error instanceof Error) return error;
    throw error;
  });
  // Without it nothing else can be looked at.
  if (config instanceof Error) return alone("config.valid", config);
  const ctx = await session.context();
  const daemon = await session.daemon().catch((error: unknown) => {
    if (isLuksmithError(error)) return error;
    throw error;
  });
  // Asserted: the daemon runs the same action.
  if (daemon && !isLuksmithError(daemon))
    return (await daemon.perform(action.request(input), ctx)) as DoctorDocument;
  const host = {
    config,
    importModule: guardedImport(pluginModules, config.luksmith),
    write: () => session.write(ctx),
  };
  const document = await examine(host, input, ctx);
  if (!daemon) return document;
  const deaf = alone("daemon.answers", daemon);
  return { status: "error", findings: [...document.findings, ...deaf.findings] };
}

/** One thing that keeps the rest from being looked at. */
function alone(id: string, error: Error): DoctorDocument {
  if (!isLuksmithError(error)) throw error;
  const fix = `see ${error.code} in docs/reference/errors.md`;
  const finding = { id, severity: "error", finding: `${error.code}: ${error.message}`, fix } as const;
  return doctorDocument({ severity: "error", findings: [finding] });
}

function describe({ status, findings }: DoctorDocument): string {
  const lines = findings.map(({ id, severity, finding, fix }) => {
    const what = `${severity.padEnd(7)}  ${id}: ${printable(finding)}\n`;
    return fix === null ? what : `${what}         -> ${printable(fix)}\n`;
  });
  const count = (of: string): number => findings.filter(({ severity }) => severity === of).length;
  const words =
    status === "ok" || status === "info"
      ? "all is well"
      : `${count("error")} errors, ${count("warning")} warnings`;
  return `${lines.join("")}${words}\n`;
}
