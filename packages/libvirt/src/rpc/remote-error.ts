import type { XdrReader } from "./xdr-reader.ts";
import { domain } from "./wire-types.ts";

/** libvirt's `virErrorNumber`, as far as we tell them apart. */
export const ERROR_NUMBER = {
  internalError: 1,
  noSupport: 3,
  invalidArgument: 8,
  operationFailed: 9,
  xmlError: 27,
  domainExists: 28,
  operationDenied: 29,
  xmlDetail: 35,
  systemError: 38,
  noDomain: 42,
  authFailed: 45,
  operationInvalid: 55,
  invalidSecret: 65,
  noSecret: 66,
  configUnsupported: 67,
  operationTimeout: 68,
  authCancelled: 79,
  blockCopyActive: 83,
  operationUnsupported: 84,
  accessDenied: 88,
  xmlInvalidSchema: 92,
  authUnavailable: 94,
} as const;

/** libvirt's own answer that a call failed; `libvirtError` says what it means to us. */
export class RemoteError extends Error {
  override readonly name = "RemoteError";
  /** `virErrorNumber` */
  readonly number: number;
  /** `virErrorDomain`: which part of libvirt it comes from. */
  readonly domain: number;

  constructor(number: number, domainNumber: number, message: string) {
    super(message);
    this.number = number;
    this.domain = domainNumber;
  }
}

/** @throws XdrError */
export function readRemoteError(reader: XdrReader): RemoteError {
  const [number, domainNumber] = [reader.int(), reader.int()];
  const message = reader.optional((each) => each.string()) ?? "libvirt gives no reason";
  // The rest says the same in other words, but must be there.
  reader.int();
  reader.optional(domain);
  return new RemoteError(number, domainNumber, message);
}
