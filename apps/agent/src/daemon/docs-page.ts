type Json = Record<string, unknown>;

/** The OpenAPI document as one page that needs nothing else: no script, no other host. */
export function docsPage(document: Json): string {
  const { info, paths, components, tags } = document as {
    info: { title: string; version: string; description: string };
    paths: Record<string, Record<string, Json>>;
    components: { schemas: Record<string, Json> };
    tags: readonly { name: string }[];
  };
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  const sections = tags.map(({ name }) => {
    const own = operations.filter(({ operation }) => (operation["tags"] as string[])[0] === name);
    return `<h2>${text(name)}</h2>${own.map(operationHtml).join("")}`;
  });
  const schemas = Object.entries(components.schemas).map(
    ([name, schema]) =>
      `<details id="${text(name)}"><summary><code>${text(name)}</code></summary>${schemaHtml(schema)}</details>`,
  );
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${text(info.title)} API</title>
<meta name="viewport" content="width=device-width"><style>${STYLE}</style></head><body>
<h1>${text(info.title)} ${text(info.version)}</h1><p>${text(info.description)}
The contract is <a href="/openapi.json">openapi.json</a>.</p>
${sections.join("\n")}<h2>Documents</h2>${schemas.join("\n")}</body></html>\n`;
}

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}
code,pre{font:14px/1.4 ui-monospace,monospace}pre{background:#f4f4f2;padding:.7rem;overflow:auto}
details{border:1px solid #ddd;border-radius:4px;margin:.4rem 0;padding:.3rem .7rem}summary{cursor:pointer}
.m{display:inline-block;min-width:4.5rem;font-weight:600}td,th{text-align:left;vertical-align:top;padding:.15rem 1rem .15rem 0}`;

function operationHtml({
  path,
  method,
  operation,
}: {
  path: string;
  method: string;
  operation: Json;
}): string {
  const { summary, operationId, parameters, requestBody, responses } = operation as {
    summary: string;
    operationId: string;
    parameters: readonly { name: string; in: string; description?: string }[];
    requestBody?: { content: Json };
    responses: Record<string, { description: string; content?: Json }>;
  };
  const given = parameters.map(
    ({ name, in: place, description = "" }) =>
      [`<code>${text(name)}</code> (${text(place)})`, text(description)] as const,
  );
  const answers = Object.entries(responses).map(
    ([status, { description, content }]) =>
      [text(status), `${text(description)} ${contentHtml(content)}`] as const,
  );
  return `<details id="${text(operationId)}"><summary><code><span class="m">${text(method.toUpperCase())}</span>${text(path)}</code> ${text(summary)}</summary>
${given.length > 0 ? rows("Given", given) : ""}${requestBody ? `<h4>Body</h4>${contentHtml(requestBody.content)}` : ""}${rows("Answers", answers)}</details>`;
}

function rows(title: string, cells: readonly (readonly [string, string])[]): string {
  return `<h4>${title}</h4><table>${cells.map(([a, b]) => `<tr><th>${a}</th><td>${b}</td></tr>`).join("")}</table>`;
}

function contentHtml(content: Json | undefined): string {
  return Object.entries((content ?? {}) as Record<string, { schema: Json }>)
    .map(([type, { schema }]) => `${schemaHtml(schema)} <small>${text(type)}</small>`)
    .join(" ");
}

function schemaHtml(schema: Json): string {
  const target = schema["$ref"];
  if (typeof target !== "string") return `<pre>${text(JSON.stringify(schema, undefined, 2))}</pre>`;
  const name = target.split("/").at(-1) ?? "";
  return `<a href="#${text(name)}"><code>${text(name)}</code></a>`;
}

function text(value: string): string {
  return value.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
