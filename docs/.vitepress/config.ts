import { defineConfig } from "vitepress";
import { markdown } from "./markdown.ts";
import { sidebar } from "./sidebar.ts";

/** The documentation as a site: `npm run docs` writes it to docs/.vitepress/dist. The pages are read as they are, also without it. */
export default defineConfig({
  title: "Luksmith",
  description: "Gives every ephemeral disk of a virtual machine its own LUKSv1 passphrase",
  lang: "en",
  cleanUrls: false,
  // Nothing of it comes from elsewhere: hosts that it is read on may have no way out.
  head: [],
  lastUpdated: false,
  markdown,
  transformPageData: ({ relativePath, frontmatter }) =>
    // Tables of six columns, for which there is no room beside an outline.
    relativePath === "reference/config.md"
      ? { frontmatter: { ...frontmatter, pageClass: "options", aside: false } }
      : {},
  themeConfig: {
    search: { provider: "local" },
    outline: [2, 3],
    nav: [
      { text: "Tutorials", link: "/tutorials/first-encrypted-disk", activeMatch: "/tutorials/" },
      { text: "How-to", link: "/how-to/install", activeMatch: "/how-to/" },
      { text: "Reference", link: "/reference/cli", activeMatch: "/reference/" },
      { text: "Explanation", link: "/explanation/architecture", activeMatch: "/(explanation|adr)/" },
    ],
    sidebar,
  },
});
