/** What can be started. `barbican-new` is a second Barbican with the newer policy, in a region of its own. */
export const SERVICES = {
  keystone: { kind: "keystone", type: "identity", region: "RegionOne", path: "/v3" },
  barbican: { kind: "barbican", type: "key-manager", region: "RegionOne", path: "" },
  "barbican-new": { kind: "barbican", type: "key-manager", region: "RegionNew", path: "" },
  placement: { kind: "placement", type: "placement", region: "RegionOne", path: "" },
  glance: { kind: "glance-api", type: "image", region: "RegionOne", path: "" },
} as const;

export type ServiceName = keyof typeof SERVICES;
/** Where the `key-manager` of the catalog has the newer policy: role `member` creates, role `creator` does not count. */
export type RegionName = (typeof SERVICES)[ServiceName]["region"];

/** As `Object.keys`, with the type that a constant has. */
export const SERVICE_NAMES = Object.keys(SERVICES) as readonly ServiceName[];

/** The address that the catalog has. */
export function urlOf(service: ServiceName, port: number): string {
  return `http://127.0.0.1:${port}${SERVICES[service].path}`;
}
