export { endpointFrom, type EndpointOptions } from "./endpoint.ts";
export type { BreakerOptions } from "./http/circuit.ts";
export { DEFAULT_HTTP, type HttpOptions } from "./http/http-options.ts";
export type { RetryOptions } from "./http/repeat.ts";
export { ServiceClient } from "./http/service-client.ts";
export {
  isServiceError,
  ServiceError,
  type ServiceErrorFields,
  type ServiceErrorKind,
} from "./http/service-error.ts";
export type { ServiceClientOptions, ServiceRequest } from "./http/service-request.ts";
export { ServiceResponse } from "./http/service-response.ts";
export type { ServiceStream } from "./http/service-stream.ts";
export {
  Catalog,
  type CatalogEndpoint,
  type CatalogService,
  type Interface,
  type WantedEndpoint,
} from "./session/catalog.ts";
export type {
  ApplicationCredential,
  Credentials,
  PasswordCredentials,
  Scope,
  TokenCredentials,
  UserName,
} from "./session/credentials.ts";
export { KeystoneSession, type KeystoneSessionOptions } from "./session/keystone-session.ts";
export type { TokenInfo } from "./session/token-info.ts";
export { type Keystone, tokenInfo } from "./session/token-knowledge.ts";
export { type SectionAdapter, sectionAdapter, sectionHttp, sectionSession } from "./sources/section.ts";
export { userSession, type UserSessionOptions } from "./sources/user-session.ts";
