import { call } from "./http-api.ts";
import { SERVICES, type ServiceName } from "./services.ts";

/**
 * Makes a project of the domain `default`, with who may do what there. A name that is taken is an error.
 *
 * @returns its id
 */
export async function createProject(
  url: string,
  token: string,
  name: string,
  grants: readonly { readonly userId: string; readonly roles: readonly string[] }[],
): Promise<string> {
  const json = { project: { name, domain_id: "default" } };
  const made = (await call("POST", `${url}/projects`, { token, json })).body;
  const { id } = (made as { project: { id: string } }).project;
  const { roles } = (await call("GET", `${url}/roles`, { token })).body as {
    roles: { name: string; id: string }[];
  };
  for (const { userId, roles: granted } of grants) {
    for (const role of granted) {
      const found = roles.find((each) => each.name === role);
      if (found === undefined) throw new Error(`there is no role ${role}`);
      await call("PUT", `${url}/projects/${id}/users/${userId}/roles/${found.id}`, { token });
    }
  }
  return id;
}

/** Makes a region in which these services are at these addresses. Services that the catalog has not are an error. */
export async function addRegion(
  url: string,
  token: string,
  region: string,
  urls: Partial<Record<ServiceName, string>>,
): Promise<void> {
  await call("PUT", `${url}/regions/${region}`, { token, json: { region: {} } });
  const { services } = (await call("GET", `${url}/services`, { token })).body as {
    services: { id: string; type: string }[];
  };
  for (const [name, at] of Object.entries(urls)) {
    // The keys are names of services.
    const { type } = SERVICES[name as ServiceName];
    const id = services.find((each) => each.type === type)?.id;
    if (id === undefined) throw new Error(`the catalog has no ${type}`);
    for (const face of ["public", "internal", "admin"]) {
      const endpoint = { service_id: id, interface: face, region_id: region, url: at };
      await call("POST", `${url}/endpoints`, { token, json: { endpoint } });
    }
  }
}
