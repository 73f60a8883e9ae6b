/** The pipelines of the services whose Debian library packages have none: what their server packages have, in essence. */
const AUTHTOKEN = `[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory`;

const HTTP_PROXY_TO_WSGI = `[filter:http_proxy_to_wsgi]
paste.filter_factory = oslo_middleware:HTTPProxyToWSGI.factory`;

export const BARBICAN_PASTE = `[composite:main]
use = egg:Paste#urlmap
/: versions
/v1: api
[pipeline:versions]
pipeline = http_proxy_to_wsgi microversion versionapp
[pipeline:api]
pipeline = http_proxy_to_wsgi authtoken context microversion apiapp
[app:apiapp]
paste.app_factory = barbican.api.app:create_main_app
[app:versionapp]
paste.app_factory = barbican.api.app:create_version_app
[filter:context]
paste.filter_factory = barbican.api.middleware.context:ContextMiddleware.factory
[filter:microversion]
paste.filter_factory = barbican.api.middleware.microversion:MicroversionMiddleware.factory
${AUTHTOKEN}
${HTTP_PROXY_TO_WSGI}
`;

export const GLANCE_PASTE = `[pipeline:glance-api-keystone]
pipeline = http_proxy_to_wsgi versionnegotiation authtoken context rootapp
[composite:rootapp]
paste.composite_factory = glance.api:root_app_factory
/: apiversions
/v2: apiv2app
[app:apiversions]
paste.app_factory = glance.api.versions:create_resource
[app:apiv2app]
paste.app_factory = glance.api.v2.router:API.factory
[filter:versionnegotiation]
paste.filter_factory = glance.api.middleware.version_negotiation:VersionNegotiationFilter.factory
[filter:context]
paste.filter_factory = glance.api.middleware.context:ContextMiddleware.factory
${AUTHTOKEN}
delay_auth_decision = true
${HTTP_PROXY_TO_WSGI}
`;
