const SECRET = /password|passwd|passphrase|passcode|secret|credential|(^|_)(tokens?|keys?|kek|pass|pin)$/;

/** Names that speak of secrets without being one: identifiers, places and numbers. */
const PUBLIC = /_(id|uuid|name|file|path|type|user|url|length|size|timeout)$/;

/** Whether an option of a section whose options we do not know should be kept from sight, judged by its name. */
export function isSecretName(name: string): boolean {
  const lower = name.toLowerCase().replaceAll("-", "_");
  return SECRET.test(lower) && !PUBLIC.test(lower);
}

/** A URL without the password in it. */
export function withoutUserinfo(text: string): string {
  return text.replaceAll(/(:\/\/[^\s/:@]*):\S*@/g, "$1:[redacted]@");
}
