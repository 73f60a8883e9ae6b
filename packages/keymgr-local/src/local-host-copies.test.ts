import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { Passphrase } from "@luksmith/core";
import { testContext } from "@luksmith/testkit";
import { expect, test } from "vitest";
import { temporaryStore } from "../test/temporary-store.ts";
import { LocalHostCopies } from "./local-host-copies.ts";

test("a copy that cannot be renewed stays as it was: both are one change", async () => {
  const { statePath, keyFile } = temporaryStore();
  const copies = new LocalHostCopies({ statePath, keyFile });
  const ctx = testContext();
  const put = async (text: string): Promise<void> => {
    using passphrase = new Passphrase(Buffer.from(text));
    await copies.put({ id: "secret", name: "a disk" }, passphrase, ctx);
  };
  const read = async (since?: Date): Promise<string | undefined> => {
    using passphrase = await copies.get({ id: "secret" }, ctx, since);
    return passphrase?.use((bytes) => Buffer.from(bytes).toString());
  };
  await put("first");
  {
    using database = new DatabaseSync(join(statePath, "host-copies.sqlite"));
    for (const event of ["INSERT", "UPDATE"]) {
      database.exec(
        `CREATE TRIGGER no_${event} BEFORE ${event} ON secrets BEGIN SELECT RAISE(ABORT, 'no more'); END`,
      );
    }
  }
  await expect(put("second")).rejects.toThrow();
  expect(await read()).toBe("first");
  {
    using database = new DatabaseSync(join(statePath, "host-copies.sqlite"));
    for (const event of ["INSERT", "UPDATE"]) database.exec(`DROP TRIGGER no_${event}`);
  }
  await put("third");
  expect(await read(new Date(0))).toBe("third");
  // Too old for whoever asks: not given, and gone for all.
  expect(await read(new Date(Date.now() + 1000))).toBeUndefined();
  expect(await read()).toBeUndefined();
  await copies.close();
});
