import { call, sharedOpenStack } from "@luksmith/testing-services";
import { beforeAll, describe, expect, test } from "vitest";
import { type BarbicanBench, barbicanBench } from "./barbican-bench.ts";
import { expectCode, expectSame, store } from "./steps.ts";

beforeAll(async () => void (await sharedOpenStack()), 180_000);

describe("get", { timeout: 60_000 }, () => {
  async function storedBehindOurBack(bench: BarbicanBench, json: object): Promise<string> {
    const token = await bench.cloud.issueToken("alice");
    const { body } = await call("POST", `${bench.cloud.urls.barbican}/v1/secrets`, { token, json });
    return (body as { secret_ref: string }).secret_ref.slice(-36);
  }

  async function read(bench: BarbicanBench, id: string): Promise<string> {
    using got = await bench.keyManager.get({ id }, await bench.as("alice"));
    return got.use((bytes) => Buffer.from(bytes).toString("latin1"));
  }

  const base64 = (bytes: Buffer) => ({
    payload: bytes.toString("base64"),
    payload_content_type: "application/octet-stream",
    payload_content_encoding: "base64",
  });

  test("gives a passphrase as castellan stores it, text or bytes, verbatim", async () => {
    await using bench = await barbicanBench();
    const text = { payload: "correct horse ä", payload_content_type: "text/plain" };
    const id = await storedBehindOurBack(bench, { secret_type: "passphrase", ...text });
    expect(await read(bench, id)).toBe(Buffer.from("correct horse ä").toString("latin1"));
    const bytes = Buffer.from(" trailing\n\u0000\u00ff", "latin1");
    const raw = await storedBehindOurBack(bench, { secret_type: "passphrase", ...base64(bytes) });
    expect(await read(bench, raw)).toBe(bytes.toString("latin1"));
  });

  test.each(["symmetric", "opaque"])(
    "gives a %s key in hexadecimal, as Cinder uses it",
    async (secretType) => {
      await using bench = await barbicanBench();
      const key = Buffer.from("00ff10a9c3e1", "hex");
      const id = await storedBehindOurBack(bench, { secret_type: secretType, ...base64(key) });
      expect(await read(bench, id)).toBe("00ff10a9c3e1");
    },
  );

  test("refuses a certificate", async () => {
    await using bench = await barbicanBench();
    const id = await storedBehindOurBack(bench, {
      secret_type: "certificate",
      payload: "x",
      payload_content_type: "text/plain",
    });
    const ctx = await bench.as("alice");
    const error = await expectCode(bench.keyManager.get({ id }, ctx), "InvalidRequest", ctx);
    expect(error.message).toContain("certificate");
  });

  test("says that a secret without a payload is none", async () => {
    await using bench = await barbicanBench();
    const id = await storedBehindOurBack(bench, { secret_type: "passphrase", name: "empty" });
    const ctx = await bench.as("alice");
    const error = await expectCode(
      bench.keyManager.get({ id }, ctx),
      "EphemeralEncryptionSecretNotFound",
      ctx,
    );
    expect(error.message).toContain("no payload");
  });

  test("finds Barbican in the catalog, by region", async () => {
    await using bench = await barbicanBench();
    const alice = await bench.as("alice");
    const byCatalog = { barbican_endpoint: "" };
    const older = await bench.open({ barbican: { ...byCatalog, barbican_region_name: "RegionOne" } });
    const newer = await bench.open({ barbican: { ...byCatalog, barbican_region_name: "RegionNew" } });
    using secret = await store(older, alice);
    await expectSame(older, secret, alice);
    await expectCode(newer.get(secret, alice), "EphemeralEncryptionSecretNotFound", alice);
    const nowhere = await bench.open({ barbican: { ...byCatalog, barbican_region_name: "Atlantis" } });
    const error = await expectCode(nowhere.get(secret, alice), "EndpointNotFound", alice);
    expect(error.message).toContain("Atlantis");
  });
});
