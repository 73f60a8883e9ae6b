import { LuksmithError } from "@luksmith/core";

/** Castellan's and Barbican's limit, so that a name fits every key manager. */
const NAME_CHARACTERS = 255;

/** Ill-formed text and NUL would come back from SQLite as another name than was sealed. */
export function checkName(name: string): void {
  if (name === "" || name.length > NAME_CHARACTERS || !name.isWellFormed() || name.includes("\0")) {
    throw new LuksmithError(
      "InvalidRequest",
      `a secret's name is 1 to ${NAME_CHARACTERS} characters of well-formed text without NUL`,
      { details: { length: name.length } },
    );
  }
}
