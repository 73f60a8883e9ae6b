import { type ErrorCode, LuksmithError } from "@luksmith/core";
import { ERROR_NUMBER, RemoteError } from "./rpc/remote-error.ts";

/** What libvirt says by a number. */
const BY_NUMBER: Readonly<Record<number, ErrorCode>> = {
  [ERROR_NUMBER.noDomain]: "DomainNotFound",
  [ERROR_NUMBER.domainExists]: "DomainExists",
  [ERROR_NUMBER.operationInvalid]: "DomainStateConflict",
  [ERROR_NUMBER.operationTimeout]: "DomainBusy",
  [ERROR_NUMBER.blockCopyActive]: "DomainBusy",
  [ERROR_NUMBER.noSecret]: "GuestSecretMissing",
  [ERROR_NUMBER.xmlError]: "DomainXmlInvalid",
  [ERROR_NUMBER.xmlDetail]: "DomainXmlInvalid",
  [ERROR_NUMBER.xmlInvalidSchema]: "DomainXmlInvalid",
  [ERROR_NUMBER.authFailed]: "LibvirtAccessDenied",
  [ERROR_NUMBER.authCancelled]: "LibvirtAccessDenied",
  [ERROR_NUMBER.authUnavailable]: "LibvirtAccessDenied",
  [ERROR_NUMBER.accessDenied]: "LibvirtAccessDenied",
  [ERROR_NUMBER.operationDenied]: "LibvirtAccessDenied",
  [ERROR_NUMBER.noSupport]: "UnsupportedOperation",
  [ERROR_NUMBER.operationUnsupported]: "UnsupportedOperation",
  [ERROR_NUMBER.configUnsupported]: "UnsupportedOperation",
};

/** What only a text of QEMU's or of libvirt's tells; QEMU's texts are not translated, libvirt's as its daemon runs. */
const BY_TEXT: readonly (readonly [RegExp, ErrorCode])[] = [
  [/Invalid password, cannot unlock any keyslot/, "GuestDiskNotOpened"],
  [/Volume is not in LUKS format|LUKS version \d+ is not supported/, "GuestDiskNotOpened"],
  [/No encryption in image header|encrypt\.key-secret' is required/, "GuestDiskNotOpened"],
  [/Data from secret \S+ is not valid UTF-8/, "GuestDiskNotOpened"],
  [/Failed to get (?:"[^"]+"|shared "[^"]+") lock/, "DiskInUse"],
  [/Cannot access storage file|Could not open '[^']+': No such file/, "DiskNotFound"],
  [/already exists with uuid|is already defined with uuid/, "DomainExists"],
  [/secret with UUID .* already defined for use with/, "SecretUsageConflict"],
];

const ADVICE: Partial<Record<ErrorCode, string>> = {
  GuestSecretMissing: "libvirt forgets secrets when its daemon restarts; let Luksmith set it again",
  GuestDiskNotOpened:
    "the secret is not this disk's, or its header is damaged; luksmith verify tells which, nothing was changed",
  DiskInUse: "stop what uses it",
  DiskNotFound: "restore the file, or delete the instance",
  DomainBusy: "wait for the other operation, or destroy the guest if it hangs at storage that is away",
  DomainExists: "undefine that one, or choose another name",
  DomainNotFound: "define it again",
  DomainStateConflict: "start or stop it first",
  LibvirtAccessDenied: "run as root, or let polkit allow it",
  LibvirtFailed: "see the guest's log in /var/log/libvirt/qemu",
};

/**
 * What a failed call means; errors that are not libvirt's answers pass unchanged.
 * @param what what was being done to which guest or secret, as a sentence's beginning: `starting guest …`
 */
export function libvirtError(error: unknown, what: string, details: Record<string, unknown> = {}): unknown {
  if (!(error instanceof RemoteError)) return error;
  const reason = readable(error.message);
  const code =
    BY_TEXT.find(([pattern]) => pattern.test(error.message))?.[1] ??
    BY_NUMBER[error.number] ??
    "LibvirtFailed";
  const advice = ADVICE[code];
  return new LuksmithError(code, `${what} failed: ${reason}${advice === undefined ? "" : `; ${advice}`}`, {
    cause: error,
    details: { ...details, libvirt_error: error.number, libvirt_domain: error.domain, reason },
    retryable: code === "DomainBusy",
  });
}

/** Runs calls of one operation; what libvirt refuses becomes ours. */
export async function explained<T>(
  what: string,
  details: Record<string, unknown>,
  run: () => Promise<T>,
): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw libvirtError(error, what, details);
  }
}

/** QEMU's last line without the option that it is about, which is a page of JSON. */
function readable(message: string): string {
  const [last = message] = message.trim().split("\n").toReversed();
  return last.replace(/^.*?qemu-system-\S+: -\S+ (?:\{.*\}|\S+): /, "QEMU: ");
}
