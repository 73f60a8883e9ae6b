import { randomBytes } from "node:crypto";
import type { OpenStack } from "@luksmith/testing-services";

/** Stores and reads back secrets with nothing around it: what a create must ask of Barbican at the least. Seconds. */
export async function bareSecrets(
  openstack: OpenStack,
  url: string,
  count: number,
  concurrency: number,
): Promise<number> {
  const token = await openstack.issueToken("dave");
  let begun = 0;
  const start = performance.now();
  const worker = async (): Promise<void> => {
    while (begun < count) {
      begun++;
      await storeAndRead(url, token, begun);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return (performance.now() - start) / 1000;
}

async function storeAndRead(url: string, token: string, n: number): Promise<void> {
  const headers = { "X-Auth-Token": token };
  const payload = randomBytes(64).toString("base64");
  const body = JSON.stringify({
    name: `bare ${n}`,
    secret_type: "passphrase",
    payload,
    payload_content_type: "text/plain",
  });
  const json = { ...headers, "Content-Type": "application/json" };
  const stored = await fetch(`${url}/v1/secrets`, { method: "POST", headers: json, body });
  // Asserted: Barbican's answer; another has no reference and fails below.
  const { secret_ref: ref } = (await stored.json()) as { secret_ref: string };
  const id = ref.slice(-36);
  await (
    await fetch(`${url}/v1/secrets/${id}`, { headers: { ...headers, Accept: "application/json" } })
  ).text();
  const read = await fetch(`${url}/v1/secrets/${id}/payload`, {
    headers: { ...headers, Accept: "text/plain" },
  });
  if ((await read.text()) !== payload) throw new Error(`${ref} reads back otherwise`);
}
