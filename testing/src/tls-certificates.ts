import { mkdirSync, writeFileSync } from "node:fs";
import { appendFile } from "node:fs/promises";
import { join } from "node:path";
import type { OwnLibvirt } from "@luksmith/testing-services";
import { runTool } from "./run-tool.ts";

const DAYS = "2";

/** Makes a certificate authority, and certificates of this machine for both ends, as QEMU wants to find them. */
export async function tlsCertificates(directory: string): Promise<string> {
  mkdirSync(directory, { mode: 0o700 });
  const at = (name: string): string => join(directory, name);
  const key = (name: string) => ["-newkey", "rsa:2048", "-nodes", "-keyout", at(`${name}-key.pem`)];
  const authority = [
    "req",
    "-x509",
    ...key("ca"),
    "-out",
    at("ca-cert.pem"),
    "-subj",
    "/CN=luksmith test",
    "-days",
    DAYS,
  ];
  await runTool("openssl", authority);
  const extensions = "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n";
  writeFileSync(at("extensions"), extensions);
  for (const end of ["server", "client"]) {
    await runTool("openssl", ["req", ...key(end), "-out", at(`${end}.csr`), "-subj", "/CN=127.0.0.1"]);
    const signer = ["-CA", at("ca-cert.pem"), "-CAkey", at("ca-key.pem"), "-CAcreateserial"];
    const signed = ["-in", at(`${end}.csr`), "-out", at(`${end}-cert.pem`), "-extfile", at("extensions")];
    await runTool("openssl", ["x509", "-req", ...signed, ...signer, "-days", DAYS]);
  }
  return directory;
}

/** Has a libvirt's QEMUs use them for migration; restarts its daemon. */
export async function useCertificates(env: OwnLibvirt, directory: string): Promise<void> {
  const lines = [`migrate_tls_x509_cert_dir = "${directory}"`, "migrate_tls_x509_verify = 1", ""];
  await appendFile(join(env.stateDirectory, "etc/qemu.conf"), lines.join("\n"));
  await env.restart();
}
