import { LuksmithError } from "../errors/luksmith-error.ts";
import { encryptedDisks, localDevices, type BlockDeviceInfo } from "./block-device-info.ts";

/**
 * Stops an instance whose local disks disagree about encryption: some encrypted and some not, some with a secret and
 * some without, or an encrypted one without a format. A first create has no secrets, a rebuild has all of them; a mix
 * means that something was lost.
 * @throws `InvalidBDM`
 */
export function checkEncryptedState(info: BlockDeviceInfo): void {
  const encrypted = encryptedDisks(info);
  if (encrypted.length === 0) return;
  const plain = localDevices(info).filter((device) => !device.encrypted);
  if (plain.length > 0) {
    throw invalid(
      "some local disks are encrypted and some are not; encryption applies to all of them",
      plain.map((device) => device.uuid),
    );
  }
  const bare = encrypted.filter((device) => !device.encryption_secret_uuid);
  if (bare.length > 0 && bare.length < encrypted.length) {
    throw invalid(
      "some encrypted disks have a secret and some have none; find the missing secrets before going on",
      bare.map((device) => device.uuid),
    );
  }
  const formatless = encrypted.filter((device) => device.encryption_format === null);
  if (formatless.length > 0) {
    throw invalid(
      "an encrypted disk names no encryption format; fill in the default format first",
      formatless.map((device) => device.uuid),
    );
  }
}

function invalid(what: string, uuids: readonly string[]): LuksmithError {
  return new LuksmithError("InvalidBDM", `${what} (block devices ${uuids.join(", ")})`, {
    details: { block_devices: uuids },
  });
}
