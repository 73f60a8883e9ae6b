import { LibvirtEnv, type LibvirtInfo } from "../libvirt/libvirt-env.ts";
import { askForShared } from "./ask-for-shared.ts";

let shared: Promise<LibvirtEnv> | undefined;

/**
 * The libvirtd of this test run; the first call of the run starts it. Others use it at the same time: guests and secrets
 * have random uuids and names. A test that stops the daemon, or looks at all its guests, starts one of its own.
 */
export function sharedLibvirt(): Promise<LibvirtEnv> {
  return (shared ??= askForShared<LibvirtInfo>("luksmithLibvirt").then((info) => new LibvirtEnv(info)));
}
