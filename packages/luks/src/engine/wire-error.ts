import { LuksError, type LuksErrorCode } from "../luks-error.ts";

/** An error in a form that survives the trip between threads, where classes and extra properties are lost. */
export type WireError =
  | { kind: "luks"; code: LuksErrorCode; message: string; details: Record<string, unknown> }
  | { kind: "system"; code: string; errno: number; syscall: string; message: string }
  | { kind: "cancelled" }
  | { kind: "other"; name: string; message: string };

/** Thrown in the worker when the caller's signal fired; the caller sees `signal.reason` instead. */
export class CancelledError extends Error {}

export function toWireError(error: unknown): WireError {
  if (error instanceof CancelledError) return { kind: "cancelled" };
  if (error instanceof LuksError) {
    return { kind: "luks", code: error.code, message: error.message, details: { ...error.details } };
  }
  if (isSystemError(error)) {
    const { code, errno, syscall, message } = error;
    return { kind: "system", code, errno, syscall, message };
  }
  return error instanceof Error
    ? { kind: "other", name: error.name, message: error.message }
    : { kind: "other", name: "Error", message: String(error) };
}

/** The error that the caller gets: a `LuksError`, or an `Error` with the `code` that the system call failed with. */
export function fromWireError(wire: WireError): Error {
  switch (wire.kind) {
    case "luks":
      return new LuksError(wire.code, wire.message, { details: wire.details });
    case "system": {
      const { code, errno, syscall, message } = wire;
      return Object.assign(new Error(message), { code, errno, syscall });
    }
    case "cancelled":
      return new CancelledError("the copy was cancelled");
    case "other":
      break;
  }
  return Object.assign(new Error(wire.message), { name: wire.name });
}

interface SystemError extends Error {
  code: string;
  errno: number;
  syscall: string;
}

function isSystemError(error: unknown): error is SystemError {
  return error instanceof Error && "errno" in error && "code" in error && "syscall" in error;
}
