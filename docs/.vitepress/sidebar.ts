import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const DOCS = join(import.meta.dirname, "..");

interface Group {
  readonly text: string;
  readonly folder: string;
  /** The order in which somebody would want them; what is not named follows by title. */
  readonly first?: readonly string[];
}

/** The four kinds of documentation (Diátaxis), and the decisions behind it. */
const GROUPS: readonly Group[] = [
  { text: "Tutorials", folder: "tutorials" },
  {
    text: "Set up a host",
    folder: "how-to",
    first: [
      "install",
      "configure-a-host",
      "use-barbican",
      "use-glance",
      "report-traits",
      "keep-disks-on-lvm",
      "use-ceph",
      "migrate-from-dm-crypt",
    ],
  },
  {
    text: "Operate a host",
    folder: "how-to",
    first: [
      "operate",
      "run-guests",
      "run-the-daemon",
      "monitor-a-host",
      "manage-the-image-cache",
      "back-up-the-state",
      "recover-with-cryptsetup",
      "recover-from-a-bundle",
      "attest-encryption",
    ],
  },
  { text: "Extend it", folder: "how-to", first: ["write-a-backend", "write-a-key-manager"] },
  { text: "More how-to", folder: "how-to" },
  { text: "Reference", folder: "reference", first: ["cli", "config", "errors"] },
  { text: "Explanation", folder: "explanation", first: ["architecture", "threat-model"] },
  { text: "Decisions", folder: "adr" },
];

interface Item {
  readonly text: string;
  readonly link: string;
}

/** Every page once: a page that somebody adds is in the navigation. */
export const sidebar = groups();

function groups(): { text: string; collapsed: boolean; items: Item[] }[] {
  const named = new Set(GROUPS.flatMap(({ folder, first = [] }) => first.map((name) => `${folder}/${name}`)));
  return GROUPS.flatMap(({ text, folder, first = [] }) => {
    const rest = pagesOf(folder).filter((name) => !named.has(`${folder}/${name}`));
    // Of several groups on one folder, one without names of its own takes the rest.
    const several = GROUPS.filter((each) => each.folder === folder).length > 1;
    const names = several ? (first.length > 0 ? first : rest) : [...first, ...rest];
    const items = names.map((name) => ({ text: titleOf(folder, name), link: `/${folder}/${name}` }));
    return items.length > 0 ? [{ text, collapsed: folder === "adr", items }] : [];
  });
}

function pagesOf(folder: string): readonly string[] {
  const names = readdirSync(join(DOCS, folder)).filter((name) => name.endsWith(".md"));
  return names.map((name) => name.slice(0, -".md".length)).toSorted();
}

function titleOf(folder: string, name: string): string {
  const [first = ""] = readFileSync(join(DOCS, folder, `${name}.md`), "utf8").split("\n");
  return first.replace(/^# /, "").replaceAll("`", "");
}
