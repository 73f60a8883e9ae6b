import { createServer } from "node:https";
import { createServer as createPlainServer } from "node:http";
import type { AddressInfo, Server } from "node:net";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { HealthFinding } from "@luksmith/core";
import { testContext } from "@luksmith/testkit";
import { FaultProxy, sharedOpenStack } from "@luksmith/testing-services";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { BarbicanConfig } from "../src/config.ts";
import { barbicanChecks } from "../src/health-checks.ts";

beforeAll(async () => void (await sharedOpenStack()), 180_000);

async function run(
  id: string,
  barbican: Readonly<Record<string, string>>,
): Promise<readonly HealthFinding[]> {
  const config = BarbicanConfig.parse({ statePath: "/nowhere", sections: { barbican } });
  const check = barbicanChecks(config).find((each) => each.id === id);
  if (!check) throw new Error(`no check ${id}`);
  return await check.run({ instances: [] }, testContext());
}

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", () => resolve()));
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

/** A server with a certificate for so many days, which vouches for itself. */
async function certified(days: number): Promise<{ readonly url: string; readonly file: string }> {
  const folder = mkdtempSync(join(tmpdir(), "luksmith-cert-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const [keyFile, file] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  const pair = [
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
    "-nodes",
    "-keyout",
    keyFile,
    "-out",
    file,
  ];
  const names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"];
  execFileSync("openssl", ["req", "-x509", ...pair, "-days", String(days), ...names], { stdio: "pipe" });
  const port = await listening(createServer({ key: readFileSync(keyFile), cert: readFileSync(file) }));
  return { url: `https://127.0.0.1:${port}`, file };
}

/** Says that it is another time. */
async function clockOff(ms: number): Promise<string> {
  const server = createPlainServer((_, response) => {
    response.writeHead(300, {
      date: new Date(Date.now() + ms).toUTCString(),
      "content-type": "application/json",
    });
    response.end("{}");
  });
  return `http://127.0.0.1:${await listening(server)}`;
}

describe("barbican.tls", () => {
  test("is content with a certificate that is good for long", async () => {
    const { url, file } = await certified(365);
    expect(await run("barbican.tls", { barbican_endpoint: url, verify_ssl_path: file })).toEqual([]);
  });

  test("finds a connection in clear", async () => {
    const cloud = await sharedOpenStack();
    const found = await run("barbican.tls", { barbican_endpoint: cloud.urls.barbican });
    expect(found).toMatchObject([{ severity: "warning", finding: expect.stringContaining("in clear") }]);
  });

  test("finds a certificate that is not verified, and one that is not believed", async () => {
    const { url } = await certified(365);
    expect(await run("barbican.tls", { barbican_endpoint: url, verify_ssl: "false" })).toMatchObject([
      { severity: "error", finding: expect.stringContaining("not verified") },
    ]);
    expect(await run("barbican.tls", { barbican_endpoint: url })).toMatchObject([
      { severity: "error", finding: expect.stringContaining("is refused") },
    ]);
  });

  test("finds a certificate that ends soon, of a real Barbican behind TLS", async () => {
    const cloud = await sharedOpenStack();
    await using proxy = await FaultProxy.start(cloud.urls.barbican, { tls: true });
    const barbican = { barbican_endpoint: proxy.url, verify_ssl_path: proxy.caFile ?? "" };
    expect(await run("barbican.tls", barbican)).toMatchObject([
      { severity: "warning", finding: expect.stringMatching(/ends .* in [12] days/u) },
    ]);
    expect(await run("barbican.clock", barbican)).toEqual([]);
  });
});

describe("barbican.clock", () => {
  test.each([
    [0, []],
    [-10_000, []],
    [120_000, [{ severity: "warning", finding: expect.stringContaining("behind Barbican's") }]],
    [-120_000, [{ severity: "warning", finding: expect.stringContaining("ahead of Barbican's") }]],
    [3_600_000, [{ severity: "error" }]],
  ])("judges a clock that is %i ms off", async (ms, expected) => {
    expect(await run("barbican.clock", { barbican_endpoint: await clockOff(ms) })).toMatchObject(expected);
  });

  test("says when Barbican is away, and when nobody knows where it is", async () => {
    const gone = run("barbican.clock", { barbican_endpoint: "http://127.0.0.1:9" });
    await expect(gone).rejects.toMatchObject({ code: "KeyManagerUnavailable" });
    expect(await run("barbican.clock", {})).toMatchObject([{ severity: "info" }]);
  });
});
