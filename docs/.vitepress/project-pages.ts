import { existsSync, globSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";

const ROOT = join(import.meta.dirname, "../..");
const PATTERNS = [
  "AGENTS.md",
  "CONTRIBUTING.md",
  "README.md",
  "SECURITY.md",
  "{apps,examples,packages}/*/README.md",
];
const LINK = /(?<!!)\[([^\]]*)\]\(([^)\s]+)\)/g;

/** Pages of the site whose text stands elsewhere in the repository, by their path there. */
const PROJECT_PAGES: ReadonlyMap<string, string> = new Map(
  globSync(PATTERNS, { cwd: ROOT })
    .toSorted()
    .map((path) => [path, (path.split("/").at(-2) ?? path.replace(".md", "")).toLowerCase()]),
);

/** As VitePress takes them for `project/[page].md`. */
export function projectPages(): readonly { readonly params: { page: string }; readonly content: string }[] {
  return [...PROJECT_PAGES].map(([path, page]) => ({
    params: { page },
    content: siteLinks(readFileSync(join(ROOT, path), "utf8"), posix.dirname(path)),
  }));
}

/**
 * Where a link leads on the site.
 * @param folder of the page with the link, in the repository
 * @returns undefined if what it leads to is no page: a folder, or code
 * @throws if there is nothing at all
 */
export function siteHref(href: string, folder: string): string | undefined {
  if (/^(?:[a-z]+:|#)/.test(href)) return href;
  const [path = "", hash] = href.split("#");
  const target = posix.join(folder, path);
  const suffix = hash === undefined ? "" : `#${hash}`;
  if (target.startsWith("docs/") && target.endsWith(".md"))
    return `/${target.slice("docs/".length)}${suffix}`;
  const page = PROJECT_PAGES.get(target);
  if (page !== undefined) return `/project/${page}.md${suffix}`;
  if (!existsSync(join(ROOT, target)))
    throw new Error(`a link of ${folder} leads to ${target}, which is not there`);
  return undefined;
}

function siteLinks(markdown: string, folder: string): string {
  return markdown.replaceAll(LINK, (_, text: string, href: string) => {
    const there = siteHref(href, folder);
    return there === undefined ? text : `[${text}](${there})`;
  });
}
