import { givenToken, type OpContext, Passphrase, type TokenSource } from "@luksmith/core";
import { testContext, type TestContext } from "@luksmith/testkit";
import {
  FaultProxy,
  type OpenStack,
  sharedOpenStack,
  type TokenOptions,
  type UserName,
} from "@luksmith/testing-services";
import plugin, { type BarbicanKeyManager } from "../src/index.ts";
import { openBarbican, type Patience } from "../src/open-barbican.ts";

export type Service = "barbican" | "barbican-new";

export interface BenchOptions {
  /** Which policy. Default: the older one. */
  readonly service?: Service;
  readonly barbican?: Readonly<Record<string, string>>;
  readonly own?: Readonly<Record<string, string>>;
  /** The agent's own account. */
  readonly account?: UserName;
  readonly patience?: Patience;
}

/** Tests fail on purpose: they neither wait long nor are kept away by the failures of others. */
const QUICK: Patience = {
  retries: { attempts: 2, baseMs: 10, maxMs: 50 },
  breaker: { failures: 1000, openMs: 100 },
  pageSize: 5,
};

/** A key manager on a real Barbican, with a proxy between them that can fail. */
export interface BarbicanBench extends AsyncDisposable {
  readonly cloud: OpenStack;
  readonly proxy: FaultProxy;
  readonly keyManager: BarbicanKeyManager;
  /** Another one, for the same or other options, closed with the bench. */
  open(options?: BenchOptions): Promise<BarbicanKeyManager>;
  /** A token as it comes with a request. */
  token(user: UserName, options?: TokenOptions): Promise<TokenSource>;
  /** A request of this user's. */
  as(user: UserName, overrides?: Partial<OpContext>): Promise<TestContext>;
}

export async function barbicanBench(options: BenchOptions = {}): Promise<BarbicanBench> {
  const cloud = await sharedOpenStack();
  const proxy = await FaultProxy.start(cloud.urls[options.service ?? "barbican"]);
  const opened: BarbicanKeyManager[] = [];
  const tokens: Passphrase[] = [];
  const open = async (other: BenchOptions = {}) => {
    const keyManager = await openWith(cloud, proxy.url, { ...options, ...other });
    opened.push(keyManager);
    return keyManager;
  };
  const token = async (user: UserName, tokenOptions: TokenOptions = {}) => {
    const passphrase = new Passphrase(Buffer.from(await cloud.issueToken(user, tokenOptions)));
    tokens.push(passphrase);
    return givenToken(passphrase);
  };
  return {
    cloud,
    proxy,
    keyManager: await open(),
    open,
    token,
    as: async (user, overrides = {}) => testContext({ userToken: await token(user), ...overrides }),
    [Symbol.asyncDispose]: async () => {
      for (const keyManager of opened) await keyManager.close();
      for (const each of tokens) each[Symbol.dispose]();
      await proxy[Symbol.asyncDispose]();
    },
  };
}

async function openWith(
  cloud: OpenStack,
  endpoint: string,
  options: BenchOptions,
): Promise<BarbicanKeyManager> {
  const sections = {
    barbican: { barbican_endpoint: endpoint, auth_endpoint: cloud.urls.keystone, ...options.barbican },
    "luksmith:keymgr-barbican": { ...options.own },
    ...(options.account === undefined ? {} : { barbican_service_user: accountOf(cloud, options.account) }),
  };
  const checked = await plugin.config["~standard"].validate({ statePath: "/nowhere", sections });
  if (checked.issues) throw new Error(JSON.stringify(checked.issues));
  return openBarbican(checked.value, options.patience ?? QUICK);
}

function accountOf(cloud: OpenStack, user: UserName): Record<string, string> {
  const { password, project } = cloud.user(user);
  return {
    auth_type: "password",
    auth_url: cloud.urls.keystone,
    username: user,
    password,
    user_domain_id: "default",
    project_name: project,
    project_domain_id: "default",
  };
}
