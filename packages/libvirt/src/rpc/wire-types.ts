import { XdrError, type XdrReader } from "./xdr-reader.ts";
import type { XdrWriter } from "./xdr-writer.ts";

const UUID_BYTES = 16;
const UUID = /^([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})$/i;

export interface WireDomain {
  readonly name: string;
  readonly uuid: string;
  /** -1 while it does not run. */
  readonly id: number;
}

export interface WireSecret {
  readonly uuid: string;
  /** `virSecretUsageType` */
  readonly usageType: number;
  readonly usage: string;
}

export function uuid(reader: XdrReader): string {
  const hex = Buffer.from(reader.fixed(UUID_BYTES)).toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

export function writeUuid(writer: XdrWriter, value: string): XdrWriter {
  if (!UUID.test(value)) throw new XdrError(`${JSON.stringify(value)} is no UUID`);
  return writer.fixed(Buffer.from(value.replaceAll("-", ""), "hex"));
}

export function domain(reader: XdrReader): WireDomain {
  return { name: reader.string(), uuid: uuid(reader), id: reader.int() };
}

/** libvirt finds a domain by its uuid; name and id are not looked at. */
export function writeDomain(writer: XdrWriter, domainUuid: string): XdrWriter {
  return writeUuid(writer.string(domainUuid), domainUuid).int(-1);
}

export function secret(reader: XdrReader): WireSecret {
  return { uuid: uuid(reader), usageType: reader.int(), usage: reader.string() };
}

/** libvirt finds a secret by its uuid as well. */
export function writeSecret(writer: XdrWriter, secretUuid: string): XdrWriter {
  return writeUuid(writer, secretUuid).int(0).string("");
}

const TYPED_STRING = 7;

const MAX_PARAMETERS = 1024;

/** Parameters that come back: those that are whole numbers, by name. */
export function readNumbers(reader: XdrReader): ReadonlyMap<string, bigint> {
  const all = reader.array(MAX_PARAMETERS, (each) => [each.string(), numberOf(each)] as const);
  return new Map(all.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const])));
}

/** A value after its type, read also where it is of no interest. */
function numberOf(reader: XdrReader): bigint | undefined {
  const type = reader.int();
  switch (type) {
    case 1:
      return BigInt(reader.int());
    case 2:
      return BigInt(reader.uint());
    case 3:
    case 4:
      return reader.hyper();
    case 5:
      // A double.
      reader.hyper();
      return undefined;
    case 6:
      reader.int();
      return undefined;
    case TYPED_STRING:
      reader.string();
      return undefined;
    default:
      throw new XdrError(`a parameter of the unknown type ${type}`);
  }
}

/** A parameter of a migration or of a copy, all of which are text here. */
export function writeTextParameters(
  writer: XdrWriter,
  parameters: readonly (readonly [name: string, value: string])[],
): XdrWriter {
  writer.uint(parameters.length);
  for (const [name, value] of parameters) writer.string(name).int(TYPED_STRING).string(value);
  return writer;
}
