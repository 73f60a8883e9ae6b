import { createInstance, previewCreate } from "@luksmith/core/host";
import { expect, test } from "vitest";
import { expectRefusal } from "../expect-refusal.ts";
import { worldOf } from "../refused.ts";
import { tempHost } from "../temp-host.ts";
import { testContext } from "../workspace.ts";

test("the old switch with a backend that has no dm-crypt refuses to make plain disks, before any change", async () => {
  const on = tempHost({ sections: ["[ephemeral_storage_encryption]", "enabled = True"] });
  const request = await on.request(on.addImage(1 << 20), { encrypted: false });
  await using host = await on.write();
  const before = worldOf(on);
  for (const act of [createInstance, previewCreate]) {
    const error = await expectRefusal(() => act(host, request, testContext()), "ConfigInvalid", "config");
    expect(error.message).toContain("@luksmith/legacy-dmcrypt");
  }
  expect(worldOf(on)).toEqual(before);
  expect(host.journal.unfinished()).toEqual([]);
});

test("a format that the backend does not have is refused, not replaced by another", async () => {
  const on = tempHost();
  const request = await on.request(on.addImage(1 << 20), { format: "plain" });
  await using host = await on.write();
  const error = await expectRefusal(
    () => createInstance(host, request, testContext()),
    "UnsupportedEncryptionFormat",
    "unsupported",
  );
  expect(error.details).toMatchObject({ format: "plain", supported: ["luks"] });
});
