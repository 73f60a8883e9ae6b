import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Extractor, ExtractorConfig, ExtractorLogLevel, type IConfigFile } from "@microsoft/api-extractor";
import { ROOT } from "./packages.ts";

/** What plugins of others compile against. The agent and `core/host` are programs: their contracts are commands and HTTP. */
export const REPORTED = ["core", "luks", "qcow2", "keystone", "testkit"] as const;

/** Where the report of a package is kept; reviewed like code. */
export function reportPath(name: string): string {
  return join(ROOT, "release/api", `${name}.api.md`);
}

/**
 * The public signatures of a built package as one text, from its declarations.
 *
 * @throws what API Extractor calls an error, such as declarations that do not compile
 */
export async function apiReport(name: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "luksmith-api-"));
  try {
    const said: string[] = [];
    const result = Extractor.invoke(ExtractorConfig.prepare(configuration(name, folder)), {
      localBuild: true,
      messageCallback(message) {
        if (message.logLevel === ExtractorLogLevel.Error) said.push(message.text);
        message.handled = true;
      },
    });
    if (result.errorCount > 0) throw new Error(`the API of ${name} cannot be reported: ${said.join("; ")}`);
    return await readFile(join(folder, `${name}.api.md`), "utf8");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function configuration(name: string, folder: string): Parameters<typeof ExtractorConfig.prepare>[0] {
  const projectFolder = join(ROOT, "packages", name);
  const mainEntryPointFilePath = join(projectFolder, "dist/index.d.ts");
  const compilerOptions = {
    target: "es2024",
    module: "nodenext",
    moduleResolution: "nodenext",
    lib: ["es2024", "esnext.disposable", "esnext.iterator"],
    types: ["node"],
    typeRoots: [join(ROOT, "node_modules/@types")],
    strict: true,
    skipLibCheck: true,
  };
  const silent = { default: { logLevel: ExtractorLogLevel.None } };
  const configObject: IConfigFile = {
    projectFolder,
    mainEntryPointFilePath,
    compiler: { overrideTsconfig: { compilerOptions, files: [mainEntryPointFilePath] } },
    apiReport: {
      enabled: true,
      reportFileName: `${name}.api.md`,
      reportFolder: folder,
      reportTempFolder: join(folder, "made"),
    },
    docModel: { enabled: false },
    dtsRollup: { enabled: false },
    tsdocMetadata: { enabled: false },
    newlineKind: "lf",
    messages: {
      compilerMessageReporting: { default: { logLevel: ExtractorLogLevel.Error } },
      extractorMessageReporting: silent,
      tsdocMessageReporting: silent,
    },
  };
  return {
    configObject,
    configObjectFullPath: undefined,
    packageJsonFullPath: join(projectFolder, "package.json"),
  };
}
