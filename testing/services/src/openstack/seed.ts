import { call, passwordToken } from "./http-api.ts";
import { PEOPLE, type ProjectName, USER_NAMES, type UserName } from "./people.ts";
import { SERVICES, type ServiceName, urlOf } from "./services.ts";

export interface SeedInput {
  readonly ports: Readonly<Record<ServiceName, number>>;
  readonly services: readonly ServiceName[];
  readonly passwordOf: (user: UserName) => string;
}

/** What Keystone has of each: `POST /roles` with `{ role }`, `GET /roles` with `{ roles }`. */
type Kind = "role" | "project" | "user" | "service" | "endpoint";

export interface Seeded {
  readonly userIds: Readonly<Record<UserName, string>>;
  readonly projectIds: Readonly<Record<ProjectName, string>>;
}

/** Projects, roles, people and the catalog, in a Keystone that has only `admin`. */
export async function seed({ ports, services, passwordOf }: SeedInput): Promise<Seeded> {
  const url = urlOf("keystone", ports.keystone);
  const admin = { name: "admin", password: passwordOf("admin") };
  const token = await passwordToken(url, admin, { project: "admin" });
  const make = async (kind: Kind, values: object) =>
    idIn((await call("POST", `${url}/${kind}s`, { token, json: { [kind]: values } })).body, kind);
  const idsByName = async (kind: Kind) => {
    const { body } = await call("GET", `${url}/${kind}s`, { token });
    const found = (body as Record<string, { name: string; id: string }[]>)[`${kind}s`] ?? [];
    return new Map(found.map(({ name, id }) => [name, id]));
  };
  /** Makes what bootstrap has not made. */
  const makeAll = async (kind: Kind, names: Iterable<string>, values: (name: string) => object) => {
    const ids = await idsByName(kind);
    for (const name of new Set(names)) {
      if (!ids.has(name)) ids.set(name, await make(kind, { name, ...values(name) }));
    }
    return ids;
  };
  const roles = await makeAll(
    "role",
    USER_NAMES.flatMap((name) => PEOPLE[name].roles),
    () => ({}),
  );
  const projects = await makeAll(
    "project",
    USER_NAMES.map((name) => PEOPLE[name].project),
    () => ({
      domain_id: "default",
    }),
  );
  const users = await makeAll("user", USER_NAMES, (name) => ({
    domain_id: "default",
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the names are those of USER_NAMES
    password: passwordOf(name as UserName),
  }));
  for (const name of USER_NAMES) {
    const { project, roles: granted } = PEOPLE[name];
    for (const role of granted) {
      const grant = `projects/${projects.get(project)}/users/${users.get(name)}/roles/${roles.get(role)}`;
      await call("PUT", `${url}/${grant}`, { token });
    }
  }
  await fillCatalog(
    services,
    ports,
    (kind, values) => make(kind, values),
    (id) => call("PUT", `${url}/regions/${id}`, { token, json: { region: {} } }),
  );
  return {
    // Each name has been made, or was there.
    userIds: Object.fromEntries(users) as Record<UserName, string>,
    projectIds: Object.fromEntries(projects) as Record<ProjectName, string>,
  };
}

/** Two regions' Barbicans are two endpoints of one service. */
async function fillCatalog(
  services: readonly ServiceName[],
  ports: Readonly<Record<ServiceName, number>>,
  make: (kind: Kind, values: object) => Promise<string>,
  makeRegion: (id: string) => Promise<unknown>,
): Promise<void> {
  const ids = new Map<string, string>();
  const regions = new Set<string>(["RegionOne"]);
  for (const name of services.filter((each) => each !== "keystone")) {
    const { type, region } = SERVICES[name];
    if (!regions.has(region)) await makeRegion(region);
    regions.add(region);
    const id = ids.get(type) ?? (await make("service", { type, name }));
    ids.set(type, id);
    const url = urlOf(name, ports[name]);
    for (const face of ["public", "internal", "admin"]) {
      await make("endpoint", { service_id: id, interface: face, region_id: region, url });
    }
  }
}

function idIn(body: unknown, kind: Kind): string {
  // Keystone's answer to a POST that succeeded.
  return (body as Record<Kind, { id: string }>)[kind].id;
}
