import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { withExpiry } from "./fernet-token.ts";
import { call, passwordToken, type TokenScope } from "./http-api.ts";
import { type ImageUpload, uploadImage } from "./image-upload.ts";
import { addRegion, createProject } from "./keystone-admin.ts";
import { PEOPLE, type ProjectName, type UserName } from "./people.ts";
import type { ServiceName } from "./services.ts";

/** All there is to know about an environment; plain JSON. */
export interface OpenStackInfo {
  readonly stateDirectory: string;
  /** As in the catalog: Keystone's with `/v3`, the others' bare. */
  readonly urls: Readonly<Record<ServiceName, string>>;
  readonly passwords: Readonly<Record<UserName, string>>;
  readonly userIds: Readonly<Record<UserName, string>>;
  readonly projectIds: Readonly<Record<ProjectName, string>>;
}

export interface User {
  readonly name: UserName;
  readonly id: string;
  readonly password: string;
  readonly project: ProjectName;
  readonly projectId: string;
}

export interface TokenOptions {
  /** Default: the user's project. */
  readonly scope?: TokenScope;
  /** Seconds from now; negative for a token that has expired. Default: the environment's. */
  readonly expiresInSeconds?: number;
}

export interface ApplicationCredential {
  readonly id: string;
  readonly secret: string;
}

const PLACEMENT_HEADERS = { "openstack-api-version": "placement 1.39" };

/** A running environment, and what tests do to it behind the back of the code under test. */
export class OpenStack {
  readonly info: OpenStackInfo;

  constructor(info: OpenStackInfo) {
    this.info = info;
  }

  get urls(): OpenStackInfo["urls"] {
    return this.info.urls;
  }

  user(name: UserName): User {
    const { passwords, userIds, projectIds } = this.info;
    const { project } = PEOPLE[name];
    return { name, id: userIds[name], password: passwords[name], project, projectId: projectIds[project] };
  }

  /** The variables with which OpenStack's own clients log in. */
  environmentFor(name: UserName, region: string = "RegionOne"): Record<string, string> {
    const { password, project } = this.user(name);
    return {
      OS_AUTH_TYPE: "password",
      OS_AUTH_URL: this.urls.keystone,
      OS_IDENTITY_API_VERSION: "3",
      OS_USERNAME: name,
      OS_PASSWORD: password,
      OS_USER_DOMAIN_ID: "default",
      OS_PROJECT_NAME: project,
      OS_PROJECT_DOMAIN_ID: "default",
      OS_REGION_NAME: region,
      OS_INTERFACE: "public",
    };
  }

  async issueToken(name: UserName, { scope, expiresInSeconds }: TokenOptions = {}): Promise<string> {
    const user = this.user(name);
    const token = await passwordToken(this.urls.keystone, user, scope ?? { project: user.project });
    if (expiresInSeconds === undefined) return token;
    const key = await readFile(join(this.info.stateDirectory, "fernet-keys", "1"), "utf8");
    return withExpiry(token, key, Date.now() / 1000 + expiresInSeconds);
  }

  async revokeToken(token: string): Promise<void> {
    await call("DELETE", `${this.urls.keystone}/auth/tokens`, {
      token,
      headers: { "x-subject-token": token },
    });
  }

  /**
   * A project for one test alone, for instance because it sets quotas: `issueToken(name, { scope: { project } })` for one
   * of its members. A name that is taken is an error.
   *
   * @param members who may do what there
   */
  async createProject(
    name: string,
    members: Partial<Record<UserName, readonly string[]>> = {},
  ): Promise<{ readonly name: string; readonly id: string }> {
    // The keys are user names.
    const grants = Object.entries(members).map(([member, roles]) => ({
      userId: this.user(member as UserName).id,
      roles,
    }));
    const id = await createProject(this.urls.keystone, await this.issueToken("admin"), name, grants);
    return { name, id };
  }

  /**
   * Adds a region to the catalog where a service has another address, such as a `FaultProxy`'s. For good: nothing takes
   * it away again, so the region's name must be new.
   */
  async addRegion(region: string, urls: Partial<Record<ServiceName, string>>): Promise<void> {
    await addRegion(this.urls.keystone, await this.issueToken("admin"), region, urls);
  }

  /** Without `accessRules` it may do all that `roles` may. */
  async createApplicationCredential(
    name: UserName,
    options: {
      readonly name: string;
      readonly roles?: readonly string[];
      readonly accessRules?: readonly {
        readonly service: string;
        readonly method: string;
        readonly path: string;
      }[];
    },
  ): Promise<ApplicationCredential> {
    const { accessRules, roles } = options;
    const { body } = await call(
      "POST",
      `${this.urls.keystone}/users/${this.user(name).id}/application_credentials`,
      {
        token: await this.issueToken(name),
        json: {
          application_credential: {
            name: options.name,
            ...(roles === undefined ? {} : { roles: roles.map((role) => ({ name: role })) }),
            ...(accessRules === undefined ? {} : { access_rules: accessRules }),
          },
        },
      },
    );
    return (body as { application_credential: ApplicationCredential }).application_credential;
  }

  /** -1 for no limit, 0 for none at all. For the Barbican of the older policy. */
  async setBarbicanQuota(projectId: string, secrets: number): Promise<void> {
    await call("PUT", `${this.urls.barbican}/v1/project-quotas/${projectId}`, {
      token: await this.issueToken("admin"),
      json: { project_quotas: { secrets } },
    });
  }

  /** All secrets that the user may list. */
  async listSecrets(
    name: UserName,
    service: "barbican" | "barbican-new" = "barbican",
  ): Promise<readonly SecretMetadata[]> {
    const token = await this.issueToken(name);
    const found: SecretMetadata[] = [];
    for (;;) {
      const url = `${this.urls[service]}/v1/secrets?limit=100&offset=${found.length}`;
      const { body } = await call("GET", url, { token });
      const { secrets, total } = body as { secrets: SecretMetadata[]; total: number };
      found.push(...secrets);
      if (secrets.length === 0 || found.length >= total) return found;
    }
  }

  /** @returns its uuid */
  async createResourceProvider(name: string): Promise<string> {
    const { body } = await call("POST", `${this.urls.placement}/resource_providers`, {
      token: await this.issueToken("admin"),
      json: { name },
      headers: PLACEMENT_HEADERS,
    });
    return (body as { uuid: string }).uuid;
  }

  async traitsOf(resourceProvider: string): Promise<readonly string[]> {
    const { body } = await call(
      "GET",
      `${this.urls.placement}/resource_providers/${resourceProvider}/traits`,
      {
        token: await this.issueToken("admin"),
        headers: PLACEMENT_HEADERS,
      },
    );
    return (body as { traits: string[] }).traits;
  }

  /** @returns Glance's image, as it shows it after the upload */
  async uploadImage(upload: ImageUpload): Promise<Record<string, unknown>> {
    return uploadImage(this.urls.glance, await this.issueToken(upload.user ?? "alice"), upload);
  }
}

/** What a list of secrets has of each. */
export interface SecretMetadata {
  readonly name: string | null;
  readonly status: string;
  readonly secret_type: string;
  readonly secret_ref: string;
  readonly created: string;
  readonly creator_id: string;
}
