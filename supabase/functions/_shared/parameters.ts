// The filters of signals as query parameters, checked before anything is asked of the database, whose names they get.

import { z } from "zod";
import { OUTCOME_CODES, STATUSES } from "./lifecycle.ts";
import { type Fault, Refusal } from "./refusal.ts";

const MOST_VALUES = 1000;

const atMost = (letters: number) =>
  z.string().min(1, "must not be empty").max(letters, `must have at most ${letters} letters`)
    .refine((value) => !value.includes("\0"), "must not contain a null character");
const list = <Item extends z.ZodType>(item: Item) =>
  z.array(item).min(1, "must not be empty").max(MOST_VALUES, `must be at most ${MOST_VALUES} values`);
/** `a=1,2&a=3` is the list 1, 2, 3. */
const separated = <Item extends z.ZodType>(item: Item) =>
  z.preprocess((given) => (given as string[]).flatMap((text) => text.split(",")), list(item)).optional();
/** Tags may hold commas: `tag=a&tag=b`. */
const repeated = <Item extends z.ZodType>(item: Item) => list(item).optional();
/** What may be given once. */
export const single = <Value extends z.ZodType<unknown, string>>(value: Value) =>
  z.array(z.string()).max(1, "must be given once").transform((given) => given[0]).pipe(value).optional();

const confidence = z.string().regex(/^(0(\.\d{1,20})?|1(\.0{1,20})?)$/, "must be a number from 0 to 1");
/** A day, a time with its zone, or Unix milliseconds; in the form that the database reads. */
const moment = z.string().transform((given, context) => {
  const known = z.iso.datetime({ offset: true }).safeParse(given).success ||
    z.iso.date().safeParse(given).success;
  const at = new Date(/^\d{1,14}$/.test(given) ? Number(given) : known ? given : NaN);
  if (!Number.isNaN(at.getTime())) return at.toISOString();
  context.addIssue("must be a day (2025-05-05), an ISO 8601 time with its zone, or Unix milliseconds");
  return z.NEVER;
});

export const filters = {
  trader: separated(z.guid("must be the id of a trader")),
  symbol: separated(atMost(60)),
  status: separated(z.enum(STATUSES, `must be one of ${STATUSES.join(", ")}`)),
  outcome: separated(z.enum(OUTCOME_CODES, "must be codes of outcome_codes, such as take_profit")),
  source: separated(z.enum(["local", "cloud"], "must be local or cloud")),
  machine: separated(atMost(100)),
  side: separated(z.enum(["long", "short"], "must be long or short")),
  tag: repeated(atMost(2000)),
  all_tags: repeated(atMost(2000)),
  from: single(moment),
  to: single(moment),
  min_confidence: single(confidence),
  max_confidence: single(confidence),
  search: single(atMost(200)),
};
export const columns = separated(z.string().regex(/^[a-z_]{1,40}$/, "must be names of columns"));

type Filters = z.infer<z.ZodObject<typeof filters>>;

/** What the database calls them. */
export function toDatabase(given: Filters): Record<string, unknown> {
  return {
    traders: given.trader,
    symbols: given.symbol,
    statuses: given.status,
    outcomes: given.outcome,
    sources: given.source,
    machines: given.machine,
    sides: given.side,
    any_tags: given.tag,
    all_tags: given.all_tags,
    from_time: given.from,
    to_time: given.to,
    min_confidence: given.min_confidence,
    max_confidence: given.max_confidence,
    search: given.search,
  };
}

/**
 * The parameters of a request's address, as the schema reads them: each value is the list of what was given under its
 * name. Throws a Refusal (400) that names every parameter that is wrong or unknown.
 */
export function readParameters<Shape extends z.ZodRawShape>(
  url: string,
  schema: z.ZodObject<Shape>,
): z.infer<z.ZodObject<Shape>> {
  const given: Record<string, string[]> = Object.create(null);
  for (const [name, value] of new URL(url).searchParams) {
    // The gateway's own.
    if (name !== "apikey") (given[name] ??= []).push(value);
  }
  const read = schema.strict().safeParse({ ...given });
  if (read.success) return read.data as z.infer<z.ZodObject<Shape>>;
  const faults = read.error.issues.flatMap((issue): Fault[] =>
    issue.code === "unrecognized_keys"
      ? issue.keys.map((key) => ({ field: key.slice(0, 60), message: "is not a parameter" }))
      : [{ field: String(issue.path[0]), message: issue.message }]
  );
  const fields = [...new Map(faults.map((fault) => [fault.field, fault])).values()];
  const sentence = fields.map(({ field, message }) => `${field} ${message}`).join("; ");
  throw new Refusal(400, "bad_parameter", sentence, null, { fields });
}
