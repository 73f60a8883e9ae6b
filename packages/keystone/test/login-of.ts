import { testContext } from "@luksmith/testkit";
import { KeystoneSession } from "../src/index.ts";
import { fakeKeystone } from "./fake-keystone.ts";

/** What a session asks of Keystone: its login's body. */
export async function loginOf(make: (authUrl: string) => Promise<unknown>): Promise<unknown> {
  await using server = await fakeKeystone({ trouble: undefined, life: 3600 });
  const session = await make(server.url);
  if (!(session instanceof KeystoneSession)) throw new TypeError("no session was made");
  using ours = session;
  await ours.current(testContext());
  const login: unknown = JSON.parse(server.seen.at(0)!.body.toString());
  return login;
}
