import { DEFAULT_DOMAIN_ID, type Values } from "./values.ts";

/** Whether the environment says who somebody is. */
export function hasOsVariables(env: NodeJS.ProcessEnv): boolean {
  return Object.entries(env).some(
    ([name, value]) =>
      /^OS_(AUTH|USER|PASSWORD|TOKEN|PROJECT|TENANT|APPLICATION_CREDENTIAL)/.test(name) && value,
  );
}

/** `OS_*` under keystoneauth's names: `OS_AUTH_URL` is `auth_url`. */
export function osValues(env: NodeJS.ProcessEnv): Values {
  const spell = (name: string) => `OS_${name.toUpperCase()}`;
  return {
    where: "the OS_* variables",
    spell,
    code: "UsageError",
    defaultDomainId: DEFAULT_DOMAIN_ID,
    get: (name) => env[spell(name)] || undefined,
  };
}
