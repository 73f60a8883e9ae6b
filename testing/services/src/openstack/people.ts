/** Who there is. All are in the domain `default`. */
export const PEOPLE = {
  alice: { project: "demo", roles: ["member", "creator"] },
  dave: { project: "demo", roles: ["member", "creator"] },
  carol: { project: "demo", roles: ["creator"] },
  bob: { project: "demo", roles: ["member"] },
  erin: { project: "demo", roles: ["reader"] },
  olga: { project: "demo", roles: ["observer"] },
  audrey: { project: "demo", roles: ["audit"] },
  paula: { project: "demo", roles: ["admin"] },
  mallory: { project: "other", roles: ["member", "creator"] },
  barbican: { project: "service", roles: ["admin", "service"] },
  placement: { project: "service", roles: ["admin", "service"] },
  glance: { project: "service", roles: ["admin", "service"] },
  /** A host's agent as newer releases want it; the Placement of Debian 12 wants `hostadmin`. */
  hostagent: { project: "service", roles: ["service"] },
  hostadmin: { project: "service", roles: ["admin", "service"] },
  /** Also sets quotas in Barbican. */
  admin: { project: "admin", roles: ["admin", "key-manager:service-admin"] },
} as const satisfies Record<string, { readonly project: string; readonly roles: readonly string[] }>;

export type UserName = keyof typeof PEOPLE;
export type ProjectName = (typeof PEOPLE)[UserName]["project"];

/** As `Object.keys`, with the type that a constant has. */
export const USER_NAMES = Object.keys(PEOPLE) as readonly UserName[];
