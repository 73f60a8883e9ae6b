import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

export interface PrivateCa {
  /** The CA's certificate: what a client must trust. */
  readonly caFile: string;
  /** The server's certificate and key, PEM. */
  readonly cert: string;
  readonly key: string;
}

const run = promisify(execFile);

/**
 * Makes a certification authority of its own and a server certificate, in `directory`.
 *
 * @param names subjectAltName as OpenSSL writes it
 */
export async function makePrivateCa(
  directory: string,
  names = "IP:127.0.0.1,DNS:localhost",
): Promise<PrivateCa> {
  const file = (name: string) => join(directory, name);
  const request = [
    "req",
    "-x509",
    "-nodes",
    "-days",
    "2",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
  ];
  const openssl = (args: readonly string[]) => run("openssl", args, { timeout: 60_000 });
  await openssl([
    ...request,
    "-subj",
    "/CN=Luksmith test CA",
    "-keyout",
    file("ca.key"),
    "-out",
    file("ca.pem"),
  ]);
  const leaf = `basicConstraints=critical,CA:FALSE\nsubjectAltName=${names}\n`;
  await writeFile(file("leaf.ext"), leaf);
  const keyPair = [
    "-nodes",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
    "-keyout",
    file("server.key"),
  ];
  await openssl(["req", "-new", ...keyPair, "-subj", "/CN=localhost", "-out", file("server.csr")]);
  const signer = ["-CA", file("ca.pem"), "-CAkey", file("ca.key"), "-CAcreateserial", "-days", "2"];
  const output = ["-extfile", file("leaf.ext"), "-out", file("server.pem")];
  await openssl(["x509", "-req", "-in", file("server.csr"), ...signer, ...output]);
  return {
    caFile: file("ca.pem"),
    cert: await readFile(file("server.pem"), "utf8"),
    key: await readFile(file("server.key"), "utf8"),
  };
}
