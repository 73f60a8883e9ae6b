import { OpenStack, type OpenStackInfo } from "../openstack/openstack.ts";
import { askForShared } from "./ask-for-shared.ts";

let shared: Promise<OpenStack> | undefined;

/**
 * The environment of this test run; the first call of the run starts it. Others use it at the same time: a test makes
 * what it needs under names of its own, and does not count what others may make.
 */
export function sharedOpenStack(): Promise<OpenStack> {
  return (shared ??= askForShared<OpenStackInfo>("luksmithServices").then((info) => new OpenStack(info)));
}
