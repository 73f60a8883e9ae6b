import { globSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, posix } from "node:path";
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "../../..");

let site: string;
let pages: ReadonlyMap<string, string>;
beforeAll(async () => {
  site = await mkdtemp(join(tmpdir(), "luksmith-docs-"));
  const vitepress = join(ROOT, "node_modules/vitepress/bin/vitepress.js");
  // It ends with an error for each link to a page that is not there.
  await promisify(execFile)(process.execPath, [vitepress, "build", "docs", "--outDir", site], { cwd: ROOT });
  pages = new Map(
    globSync("**/*.html", { cwd: site }).map((path) => [path, readFileSync(join(site, path), "utf8")]),
  );
}, 600_000);
afterAll(() => rm(site, { recursive: true, force: true }));

/** Of each element, as it was written. */
const attribute = (html: string, name: string): string[] =>
  [...html.matchAll(new RegExp(`\\s${name}="([^"]*)"`, "g"))].map(([, value = ""]) => value);

function target(page: string, href: string): { readonly path: string; readonly hash: string } {
  const [path = "", hash = ""] = href.split("#");
  const absolute = path.startsWith("/") ? path.slice(1) : posix.join(posix.dirname(page), path);
  const file =
    path === "" ? page : absolute === "" || absolute.endsWith("/") ? `${absolute}index.html` : absolute;
  return { path: decodeURI(file), hash: decodeURIComponent(hash) };
}

describe("the documentation as a site", () => {
  test("has every page, and each in the navigation", () => {
    const sources = globSync("docs/{tutorials,how-to,reference,explanation,adr}/*.md", { cwd: ROOT });
    const expected = sources.map((path) => path.slice("docs/".length).replace(/\.md$/, ".html"));
    expect(expected.length).toBeGreaterThan(40);
    expect([...pages.keys()]).toEqual(expect.arrayContaining(expected));
    const navigation = new Set(attribute(pages.get("how-to/install.html") ?? "", "href"));
    expect(expected.filter((path) => !navigation.has(`/${path}`))).toEqual([]);
  });

  test("leads nowhere that is not there, to the heading", () => {
    const dead: string[] = [];
    for (const [page, html] of pages) {
      for (const href of attribute(html, "href")) {
        if (/^(?:[a-z]+:|\/\/)/.test(href)) continue;
        const { path, hash } = target(page, href);
        const there = pages.get(path);
        if (there === undefined && !globSync(path, { cwd: site }).length) dead.push(`${page}: ${href}`);
        else if (hash !== "" && !attribute(there ?? "", "id").includes(hash)) dead.push(`${page}: ${href}`);
      }
    }
    expect(dead).toEqual([]);
  });

  test("asks nothing of other machines when it is read", () => {
    const foreign = [...pages].flatMap(([page, html]) =>
      [...html.matchAll(/<(?:script|link|img)\b[^>]*\s(?:src|href)="([^"]*)"/g)]
        .map(([, url = ""]) => url)
        .filter((url) => /^(?:[a-z]+:)?\/\//.test(url))
        .map((url) => `${page}: ${url}`),
    );
    expect(foreign).toEqual([]);
  });

  test("can be searched", () => {
    const index = globSync("assets/chunks/@localSearchIndexroot.*.js", { cwd: site });
    expect(readFileSync(join(site, index[0] ?? "missing"), "utf8")).toContain("keymanagerunavailable");
  });
});
