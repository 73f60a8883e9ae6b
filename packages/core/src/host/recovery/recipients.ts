import type { Encrypter } from "age-encryption";
import type { HostConfig } from "../../config/host-config.ts";
import { LuksmithError } from "../../errors/luksmith-error.ts";

/**
 * Who can open a bundle: those named with the command, else those of the configuration.
 * @throws `InvalidRequest`: nobody
 */
export function recipientsOf({ luksmith }: HostConfig, given: readonly string[]): readonly string[] {
  const recipients = [...new Set(given.length > 0 ? given : luksmith.recovery_recipients)];
  if (recipients.length > 0) return recipients;
  throw new LuksmithError(
    "InvalidRequest",
    'nobody could open the bundle: name a public key of age\'s with --recipient, or set [luksmith] recovery_recipients ("age-keygen" makes one, on a machine that is not this host)',
  );
}

/** @throws `InvalidRequest`: one is no public key of age's */
export async function encrypterFor(recipients: readonly string[]): Promise<Encrypter> {
  const { Encrypter: made } = await import("age-encryption");
  const encrypter = new made();
  for (const recipient of recipients) {
    if (/^age-secret-key-/i.test(recipient)) {
      throw new LuksmithError(
        "InvalidRequest",
        "a recipient is a private key of age's, which must not be on this host: take it back, and name the public one (age1…)",
      );
    }
    try {
      encrypter.addRecipient(recipient);
    } catch (error) {
      throw new LuksmithError("InvalidRequest", `${recipient} is no public key of age's (age1…)`, {
        cause: error,
        details: { recipient },
      });
    }
  }
  return encrypter;
}
