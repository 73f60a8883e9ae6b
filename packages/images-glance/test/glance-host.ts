import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { givenToken, type ImageFile, type OpContext, Passphrase } from "@luksmith/core";
import { testContext, type TestContext } from "@luksmith/testkit";
import { expect } from "vitest";
import { tempDirectory } from "../../../testing/src/index.ts";
import type { GlanceImageService } from "../src/glance-image-service.ts";
import { glanceService, type ServiceOptions } from "./glance-service.ts";

export interface HostOptions extends ServiceOptions {
  readonly directory?: string;
}

/** An image service before these servers, with a directory of its own. */
export function glanceHost(
  servers: readonly string[],
  { directory = join(tempDirectory(), "glance"), ...options }: HostOptions = {},
): { readonly service: GlanceImageService; readonly directory: string } {
  return { service: glanceService(servers, directory, options), directory };
}

export const TOKEN = "a-token-that-must-be-nowhere";

/** A caller with a token. */
export function userContext(overrides: Partial<OpContext> = {}, token = TOKEN): TestContext {
  return testContext({ userToken: givenToken(new Passphrase(Buffer.from(token))), ...overrides });
}

/** Opens, reads everything and closes. */
export async function readImage(
  service: GlanceImageService,
  id: string,
  ctx: OpContext = userContext(),
): Promise<Buffer> {
  await using file: ImageFile = await service.open(id, undefined, ctx);
  return readFileSync(file.path);
}

/** What is in the directory of downloads, locks left out. */
export function namesIn(directory: string): readonly string[] {
  return readdirSync(directory).filter((name) => name !== "locks");
}

/** The code with which something is refused. */
export async function codeOf(act: () => Promise<unknown>): Promise<string> {
  const error: unknown = await act().then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(Error);
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}
