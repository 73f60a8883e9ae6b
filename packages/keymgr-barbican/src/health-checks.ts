import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { connect } from "node:tls";
import {
  type HealthFinding,
  type HealthCheck,
  isLuksmithError,
  LuksmithError,
  type OpContext,
  type TokenSource,
} from "@luksmith/core";
import { isServiceError } from "@luksmith/keystone";
import type { BarbicanConfig } from "./config.ts";
import { connectBarbican } from "./open-barbican.ts";

const DAY_MS = 86_400_000;
const SOON_DAYS = 14;
const SKEW_MS = { warning: 30_000, error: 5 * 60_000 };
const TIMEOUT_MS = 15_000;

/** The way to Barbican: whether others can listen, and whether both clocks agree. */
export function barbicanChecks(config: BarbicanConfig): readonly HealthCheck[] {
  return [
    {
      id: "barbican.tls",
      fine: "passphrases travel to Barbican encrypted, to a certificate that is verified",
      run: (_, ctx) => withEndpoint(config, ctx, (url) => transport(config, url)),
    },
    {
      id: "barbican.clock",
      fine: "this host's clock agrees with Barbican's",
      run: (_, ctx) => withEndpoint(config, ctx, (_url, ask) => clock(ask)),
    },
  ];
}

/** @returns the `Date` of an answer, and when it was asked and answered */
type AskDate = () => Promise<{
  readonly date: string | undefined;
  readonly from: number;
  readonly to: number;
}>;

async function withEndpoint(
  config: BarbicanConfig,
  ctx: OpContext,
  look: (url: URL, ask: AskDate) => Promise<readonly HealthFinding[]>,
): Promise<readonly HealthFinding[]> {
  const { client, session, endpoint } = connectBarbican(config);
  using _client = client;
  using _session = session;
  const as: TokenSource | undefined = ctx.userToken ?? session;
  let url: URL;
  try {
    url = new URL(await endpoint(as, ctx));
  } catch (error) {
    if (as === undefined && isLuksmithError(error)) return [NOBODY];
    throw error;
  }
  const ask: AskDate = async () => {
    const from = Date.now();
    const answer = await client
      .request({ method: "GET", path: "/", as: undefined, repeatable: true, expect: [200, 300] }, ctx)
      .catch((error: unknown) => {
        if (!isServiceError(error)) throw error;
        throw new LuksmithError("KeyManagerUnavailable", error.message, { cause: error, retryable: true });
      });
    return { date: answer.headers["date"], from, to: Date.now() };
  };
  return await look(url, ask);
}

const NOBODY: HealthFinding = {
  severity: "info",
  finding: "not looked at: Barbican's address is in the catalog, and nobody logs in",
  fix: "run it with a token, or set [barbican] barbican_endpoint",
};

async function transport(config: BarbicanConfig, url: URL): Promise<readonly HealthFinding[]> {
  const { host, protocol } = url;
  if (protocol !== "https:") {
    return [
      {
        severity: "warning",
        finding: `passphrases and tokens travel to Barbican (${url.origin}) in clear: whoever is on that network has them`,
        fix: "use an https endpoint ([barbican] barbican_endpoint, or the catalog)",
      },
    ];
  }
  const findings: HealthFinding[] = [];
  if (!config.verify) {
    findings.push({
      severity: "error",
      finding: `the certificate of Barbican (${host}) is not verified: anybody on the way can take its place and read passphrases`,
      fix: "set [barbican] verify_ssl = true, and verify_ssl_path to the authority's file if it is a private one",
    });
  }
  const { ends, trouble } = await certificate(config, url);
  const days = Math.floor((ends - Date.now()) / DAY_MS);
  if (trouble !== undefined && config.verify) {
    const fix = "renew the certificate, or set [barbican] verify_ssl_path to its authority's file";
    findings.push({
      severity: "error",
      finding: `the certificate of Barbican (${host}) is refused: ${trouble}`,
      fix,
    });
  } else if (days < SOON_DAYS) {
    const when = new Date(ends).toISOString();
    findings.push({
      severity: days < 0 ? "error" : "warning",
      finding: `the certificate of Barbican (${host}) ${days < 0 ? "has ended" : "ends"} ${when}${days < 0 ? "" : `, in ${days} days`}`,
      fix: "renew it; afterwards no disk can be made or opened",
    });
  }
  return findings;
}

interface Certificate {
  /** In ms since 1970. */
  readonly ends: number;
  /** Why it is not believed. */
  readonly trouble: string | undefined;
}

/** Looks at the certificate and sends nothing, so that one that is refused can be looked at as well. */
async function certificate({ caFile }: BarbicanConfig, url: URL): Promise<Certificate> {
  const ca = caFile === undefined ? {} : { ca: await readFile(caFile) };
  const host = url.hostname.replaceAll(/[[\]]/gu, "");
  const servername = isIP(host) === 0 ? { servername: host } : {};
  const socket = connect({
    host,
    port: Number(url.port || 443),
    ...servername,
    ...ca,
    rejectUnauthorized: false,
  });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once("secureConnect", resolve);
      socket.once("error", reject);
      socket.setTimeout(TIMEOUT_MS, () => reject(new Error(`${url.host} does not answer`)));
    });
    const { valid_to } = socket.getPeerCertificate();
    const why = socket.authorized ? undefined : String(socket.authorizationError);
    return { ends: Date.parse(valid_to), trouble: why };
  } finally {
    socket.destroy();
  }
}

async function clock(ask: AskDate): Promise<readonly HealthFinding[]> {
  const { date, from, to } = await ask();
  const theirs = Date.parse(date ?? "");
  if (Number.isNaN(theirs)) {
    return [{ severity: "info", finding: "Barbican does not say what time it is" }];
  }
  // Whole seconds, of some moment between question and answer.
  const off = theirs > to ? theirs - to : theirs + 1000 < from ? from - theirs - 1000 : 0;
  const severity = off > SKEW_MS.error ? "error" : off > SKEW_MS.warning ? "warning" : undefined;
  if (!severity) return [];
  const finding = `this host's clock is ${Math.round(off / 1000)} s ${theirs > to ? "behind" : "ahead of"} Barbican's: tokens and certificates may be taken for ended, or for good`;
  return [{ severity, finding, fix: "keep both by NTP (chronyc tracking shows how far this one is off)" }];
}
