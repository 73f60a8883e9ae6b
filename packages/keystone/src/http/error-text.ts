import * as z from "zod";

/** What a service says about an error. */
export interface ErrorText {
  readonly title: string | undefined;
  readonly detail: string | undefined;
}

const LONGEST = 1000;

const Text = z.string().optional().catch(undefined);
const Words = z.object({ title: Text, message: Text, description: Text, detail: Text });

/** Keystone and the middleware before every service; Placement; Nova and Neutron (`{"badRequest": {...}}`). */
const Wrapped = z.object({ error: Words }).transform(({ error }) => error);
const Listed = z.object({ errors: z.array(Words).min(1) }).transform(({ errors }) => errors[0]);
const Named = z.record(z.string(), Words).transform((named) => Object.values(named)[0]);
/** Barbican. */
const Plain = Words.refine((words) => Object.values(words).some((word) => word !== undefined));
const Shapes = z.union([Wrapped, Listed, Plain, Named]);

/**
 * Takes the words out of an error's body, in whichever shape the services of OpenStack and the proxies before them
 * write it. HTML is reduced to its title: Glance's explanations are pages, and so are the errors of proxies.
 */
export function errorText(body: Uint8Array): ErrorText {
  const text = new TextDecoder().decode(body.subarray(0, 65_536)).trim();
  if (text === "") return { title: undefined, detail: undefined };
  if (text.startsWith("<")) return fromHtml(text);
  const words = fromJson(text);
  if (words === undefined) return { title: undefined, detail: clean(text) };
  return {
    title: clean(words.title),
    detail: clean(words.message ?? words.description ?? words.detail),
  };
}

function fromJson(text: string): z.infer<typeof Words> | undefined {
  try {
    return Shapes.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

function fromHtml(text: string): ErrorText {
  const title = /<title[^>]*>([^<]*)<\/title>/i.exec(text)?.[1];
  const body = /<\/h1>([\s\S]*)<\/body>/i.exec(text)?.[1]?.replaceAll(/<[^>]*>/g, " ");
  return { title: clean(title) ?? "HTML page", detail: clean(body) };
}

/** One line of printable text: a service's words go to terminals and logs. */
function clean(text: string | undefined): string | undefined {
  const line = text
    // oxlint-disable-next-line no-control-regex -- those are meant
    ?.replaceAll(/[\s\u0000-\u001F\u007F-\u009F\u2028\u2029]+/g, " ")
    .trim();
  if (line === undefined || line === "") return undefined;
  return line.length > LONGEST ? `${line.slice(0, LONGEST)}…` : line;
}
