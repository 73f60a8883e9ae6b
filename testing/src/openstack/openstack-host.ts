import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { givenToken, Passphrase } from "@luksmith/core";
import type { OpenStack, UserName } from "@luksmith/testing-services";
import { TempHost, type TempHostOptions } from "../temp-host.ts";
import { testContext, type TestContext } from "../workspace.ts";

export interface OpenStackHostOptions extends Pick<TempHostOptions, "luksmith" | "imagesType" | "root"> {
  /** Instead of Barbican's own, as a proxy's. */
  readonly barbicanUrl?: string;
  /** Lines for `[luksmith:keymgr-barbican]`. */
  readonly barbican?: readonly string[];
  /** Keeps sealed copies too. */
  readonly hostCopies?: boolean;
  /** Images from Glance; otherwise from a directory. */
  readonly glance?: boolean;
}

/** A host whose passphrases are in a real Barbican. */
export function openStackHost(openstack: OpenStack, options: OpenStackHostOptions = {}): TempHost {
  const { keystone, barbican, glance } = openstack.urls;
  return new TempHost({
    ...options,
    plugins: [
      "@luksmith/backend-raw",
      "@luksmith/backend-qcow2",
      "@luksmith/keymgr-barbican",
      ...(options.hostCopies ? ["@luksmith/keymgr-local/host-copies"] : []),
      ...(options.glance ? ["@luksmith/images-glance"] : []),
    ],
    sections: [
      "[barbican]",
      `auth_endpoint = ${keystone}`,
      `barbican_endpoint = ${options.barbicanUrl ?? barbican}`,
      "[glance]",
      `endpoint_override = ${glance}`,
      "[luksmith:keymgr-barbican]",
      ...(options.barbican ?? []),
    ],
  });
}

/** For a host of another kind: passphrases in a real Barbican. */
export function barbicanPlugins({ urls }: OpenStack): {
  readonly plugins: readonly string[];
  readonly sections: readonly string[];
} {
  return {
    plugins: ["@luksmith/keymgr-barbican"],
    sections: ["[barbican]", `auth_endpoint = ${urls.keystone}`, `barbican_endpoint = ${urls.barbican}`],
  };
}

/** A context in which this user asks, with a fresh token. */
export async function contextOf(openstack: OpenStack, user: UserName): Promise<TestContext> {
  return contextWith(await openstack.issueToken(user));
}

export function contextWith(token: string): TestContext {
  return testContext({ userToken: givenToken(new Passphrase(Buffer.from(token))) });
}

/** A file with a user's token, for child processes. */
export async function tokenFile(openstack: OpenStack, user: UserName, temp: TempHost): Promise<string> {
  const path = join(temp.root, `token-of-${user}`);
  writeFileSync(path, await openstack.issueToken(user), { mode: 0o600 });
  chmodSync(path, 0o600);
  return path;
}
