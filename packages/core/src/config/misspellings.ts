import type { Assignment } from "./ini.ts";
import { editDistance, nearestName } from "./nearest-name.ts";
import { OPTIONS } from "./options.ts";
import { quoteValue, type ConfigProblem } from "./problem.ts";

const OURS = "luksmith";
const OUR_NAMES: readonly string[] = OPTIONS.filter(({ section }) => section === OURS).map(
  ({ name }) => name,
);

/**
 * Options of ours that do not exist, and sections that were meant to be ours. Nova's sections are full of options
 * that are none of our business, so nothing is said about those.
 */
export function findMisspellings(assignments: readonly Assignment[]): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const seen = new Set<string>();
  for (const { section, name, file, line } of assignments) {
    if (section === OURS && !OUR_NAMES.includes(name)) {
      problems.push({ file, line, section, name, message: unknownOption(name) });
    } else if (section !== OURS && !seen.has(`${file}\n${section}`) && looksLikeOurs(section)) {
      seen.add(`${file}\n${section}`);
      const message = `there is no section [${section}]; did you mean [${OURS}]?`;
      problems.push({ file, line, section, message });
    }
  }
  return problems;
}

function unknownOption(name: string): string {
  const home = OPTIONS.find((option) => option.name === name);
  if (home !== undefined)
    return `[${OURS}] has no option ${quoteValue(name)}; it belongs in [${home.section}]`;
  const nearest = nearestName(name, OUR_NAMES);
  const hint = nearest === undefined ? `the options are ${OUR_NAMES.join(", ")}` : `did you mean ${nearest}?`;
  return `[${OURS}] has no option ${quoteValue(name)}; ${hint}`;
}

function looksLikeOurs(section: string): boolean {
  return section.length <= OURS.length + 2 && editDistance(section, OURS) <= 2;
}
