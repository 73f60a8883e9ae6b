import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { TempHost } from "../temp-host.ts";

/** The local key manager's store, as somebody has it who puts back a backup. */
function store(temp: TempHost): DatabaseSync {
  return new DatabaseSync(join(temp.statePath, "keys.sqlite"));
}

/** Does something that deletes these secrets, and puts them back. */
export async function puttingBack(
  temp: TempHost,
  ids: readonly string[],
  act: () => Promise<unknown>,
): Promise<void> {
  const rows = ids.map((id) => {
    using before = store(temp);
    return before.prepare("SELECT * FROM secrets WHERE id = ?").get(id) as Record<string, string>;
  });
  await act();
  for (const row of rows) addSecret(temp, row);
}

/** A secret under another id and name, that nothing needs. */
export function addStray(temp: TempHost, id: string, name: string): void {
  const row = (() => {
    using from = store(temp);
    return from.prepare("SELECT * FROM secrets LIMIT 1").get() as Record<string, string>;
  })();
  addSecret(temp, { ...row, id, name });
}

function addSecret(temp: TempHost, row: Record<string, string>): void {
  using keys = store(temp);
  const names = Object.keys(row);
  const sql = `INSERT INTO secrets (${names.join(", ")}) VALUES (${names.map(() => "?").join(", ")})`;
  keys.prepare(sql).run(...Object.values(row));
}

export function deleteSecret(temp: TempHost, id: string): void {
  using keys = store(temp);
  keys.prepare("DELETE FROM secrets WHERE id = ?").run(id);
}
