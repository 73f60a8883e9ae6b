import { posix } from "node:path";
import type { MarkdownOptions } from "vitepress";
import { siteHref } from "./project-pages.ts";

/** Pages are read in the repository too: what leads somewhere there leads to the same on the site. */
export const markdown: MarkdownOptions = {
  anchor: { slugify },
  config: (md) => {
    md.core.ruler.push("site-links", ({ tokens, env }) => {
      const page = (env as { relativePath?: string }).relativePath ?? "";
      // Those are rewritten already.
      if (page.startsWith("project/") || page === "index.md") return;
      const folder = posix.join("docs", posix.dirname(page));
      for (const { children } of tokens) {
        for (const token of children ?? []) {
          const href = token.type === "link_open" ? token.attrGet("href") : undefined;
          if (href) token.attrSet("href", siteHref(decodeURI(href), folder) ?? "#");
        }
      }
    });
  },
};

/** As the places where the repository is read make them. */
function slugify(heading: string): string {
  return heading
    .trim()
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
    .replaceAll(/\s/g, "-");
}
