/**
 * What the list shows: the filter, its place in the address, and what it is asked of the database by.
 *
 * The address holds plain words (`status=new,ready&symbol=BTCUSDT&from=24h`), so that a view can be read, shared and
 * opened again. What is wrong in an address is left out instead of hiding the page.
 */
import { z } from "zod";
import { Constants, type Database } from "../database.types.ts";
import { formatMoment } from "../kit/moment.tsx";
import type { SignalRow } from "./row.ts";

const { signal_status: STATUSES, signal_source: SOURCES, trade_side: SIDES } = Constants.public.Enums;
export { SIDES, SOURCES, STATUSES };

/** A part of the address: what it holds is text, or a list where a value may have a comma in it. */
const text = z.coerce.string().max(4000).optional().catch(undefined);
const texts = z.union([z.array(z.coerce.string()), z.coerce.string().transform((one) => [one])]).optional()
  .catch(
    undefined,
  );

/** The address of the page, as the router reads it. */
export const Address = z.object({
  trader: text,
  symbol: text,
  status: text,
  outcome: text,
  source: text,
  machine: text,
  side: text,
  tag: texts,
  from: text,
  to: text,
  min: text,
  max: text,
  search: text,
  order: z.literal("oldest").optional().catch(undefined),
});
export type Address = z.infer<typeof Address>;

/** Lists are alternatives; an empty one asks for any. */
export interface Filter {
  readonly traders: readonly string[];
  readonly symbols: readonly string[];
  readonly statuses: readonly SignalRow["status"][];
  readonly outcomes: readonly string[];
  readonly sources: readonly string[];
  readonly machines: readonly string[];
  readonly sides: readonly string[];
  readonly tags: readonly string[];
  /** A time (ISO 8601), or how long before now: `15m`, `24h`, `7d`. Empty: no bound. */
  readonly from: string;
  readonly to: string;
  /** From 0 to 1, as text; empty: no bound. */
  readonly minConfidence: string;
  readonly maxConfidence: string;
  readonly search: string;
  readonly newestFirst: boolean;
}

const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const CONFIDENCE = /^(0(\.\d{1,20})?|1(\.0{1,20})?)$/;
const AGO = /^(\d{1,5})(m|h|d)$/;
const MILLISECONDS = { m: 60_000, h: 3_600_000, d: 86_400_000 };

function listed(given: string | undefined, allowed: (value: string) => boolean): string[] {
  const values = (given ?? "").split(",").map((value) => value.trim()).filter((value) =>
    value !== "" && value.length <= 100 && allowed(value)
  );
  return [...new Set(values)].slice(0, 1000);
}

function among<Value extends string>(given: string | undefined, known: readonly Value[]): Value[] {
  return listed(given, (value) => (known as readonly string[]).includes(value)) as Value[];
}

function moment(given: string | undefined): string {
  if (!given) return "";
  return AGO.test(given) || !Number.isNaN(Date.parse(given)) ? given : "";
}

/** The filter that an address says. */
export function readAddress(address: Address): Filter {
  return {
    traders: listed(address.trader, (value) => ID.test(value)),
    symbols: listed(address.symbol, () => true),
    statuses: among(address.status, STATUSES),
    outcomes: listed(address.outcome, (value) => /^[a-z_]+$/.test(value)),
    sources: among(address.source, SOURCES),
    machines: listed(address.machine, () => true),
    sides: among(address.side, SIDES),
    tags: [...new Set((address.tag ?? []).filter((tag) => tag !== "" && tag.length <= 2000))].slice(0, 1000),
    from: moment(address.from),
    to: moment(address.to),
    minConfidence: CONFIDENCE.test(address.min ?? "") ? address.min! : "",
    maxConfidence: CONFIDENCE.test(address.max ?? "") ? address.max! : "",
    search: (address.search ?? "").trim().split(/\s+/).slice(0, 8).join(" ").slice(0, 200),
    newestFirst: address.order !== "oldest",
  };
}

/** The address of a filter; what asks for nothing is not in it. */
export function writeAddress(filter: Filter): Address {
  const joined = (values: readonly string[]) => values.length === 0 ? undefined : values.join(",");
  return {
    trader: joined(filter.traders),
    symbol: joined(filter.symbols),
    status: joined(filter.statuses),
    outcome: joined(filter.outcomes),
    source: joined(filter.sources),
    machine: joined(filter.machines),
    side: joined(filter.sides),
    tag: filter.tags.length === 0 ? undefined : [...filter.tags],
    from: filter.from || undefined,
    to: filter.to || undefined,
    min: filter.minConfidence || undefined,
    max: filter.maxConfidence || undefined,
    search: filter.search || undefined,
    order: filter.newestFirst ? undefined : "oldest",
  };
}

export const EVERYTHING: Filter = readAddress({});

/** Whether the filter asks for less than everything; the order is no question. */
export function isNarrow(filter: Filter): boolean {
  return Object.entries(writeAddress(filter)).some(([name, value]) =>
    name !== "order" && value !== undefined
  );
}

/** Whether only the status is asked for: then the counts by status say how many there are. */
export function asksForStatusAlone(filter: Filter): boolean {
  return !isNarrow({ ...filter, statuses: [] });
}

/** The moment that a bound says, in milliseconds; undefined: no bound. */
export function resolveMoment(bound: string, now: number): number | undefined {
  const ago = AGO.exec(bound);
  if (ago) return now - Number(ago[1]) * MILLISECONDS[ago[2] as keyof typeof MILLISECONDS];
  return bound === "" ? undefined : Date.parse(bound);
}

/** `last 24 h`, or the local time. */
export function formatBound(bound: string): string {
  return AGO.test(bound) ? `last ${bound.slice(0, -1)} ${bound.slice(-1)}` : formatMoment(new Date(bound));
}

type Question = Database["public"]["Functions"]["count_signals"]["Args"];

/** What the database is asked: the filter's bounds of time are counted from `now`, in milliseconds. */
export function toQuestion(filter: Filter, now: number): Question {
  const question: Question = {};
  if (filter.traders.length) question.traders = [...filter.traders];
  if (filter.symbols.length) question.symbols = [...filter.symbols];
  if (filter.statuses.length) question.statuses = [...filter.statuses];
  if (filter.outcomes.length) question.outcomes = [...filter.outcomes];
  if (filter.sources.length) question.sources = [...filter.sources];
  if (filter.machines.length) question.machines = [...filter.machines];
  if (filter.sides.length) question.sides = [...filter.sides];
  if (filter.tags.length) question.any_tags = [...filter.tags];
  const from = resolveMoment(filter.from, now);
  const to = resolveMoment(filter.to, now);
  if (from !== undefined) question.from_time = new Date(from).toISOString();
  if (to !== undefined) question.to_time = new Date(to).toISOString();
  // As numbers they would still be exact here, since JSON writes them as they came; the type knows no text.
  if (filter.minConfidence) question.min_confidence = Number(filter.minConfidence);
  if (filter.maxConfidence) question.max_confidence = Number(filter.maxConfidence);
  if (filter.search) question.search = filter.search;
  return question;
}

/** The parameters of export-signals for the same rows. */
export function toExport(filter: Filter, columns: readonly string[], now: number): URLSearchParams {
  const parameters = new URLSearchParams({ format: "csv", columns: columns.join(",") });
  const question = toQuestion(filter, now);
  const lists = {
    trader: question.traders,
    symbol: question.symbols,
    status: question.statuses,
    outcome: question.outcomes,
    source: question.sources,
    machine: question.machines,
    side: question.sides,
  };
  for (const [name, values] of Object.entries(lists)) if (values) parameters.set(name, values.join(","));
  for (const tag of filter.tags) parameters.append("tag", tag);
  if (question.from_time) parameters.set("from", question.from_time);
  if (question.to_time) parameters.set("to", question.to_time);
  if (filter.minConfidence) parameters.set("min_confidence", filter.minConfidence);
  if (filter.maxConfidence) parameters.set("max_confidence", filter.maxConfidence);
  if (filter.search) parameters.set("search", filter.search);
  return parameters;
}

/**
 * Whether a row passes, where the row itself can tell; null: only the database knows (texts to search, tags, machines).
 * `now` in milliseconds.
 */
export function passes(filter: Filter, row: SignalRow, now: number): boolean | null {
  const asked = (values: readonly string[], value: string | null) =>
    values.length === 0 || (value !== null && values.includes(value));
  const at = Date.parse(row.triggered_at);
  const from = resolveMoment(filter.from, now);
  const to = resolveMoment(filter.to, now);
  const certain = asked(filter.traders, row.trader_id) && asked(filter.symbols, row.symbol) &&
    asked(filter.statuses, row.status) && asked(filter.outcomes, row.outcome_code) &&
    asked(filter.sides, row.side) && (from === undefined || at >= from) && (to === undefined || at < to);
  if (!certain) return false;
  if (filter.minConfidence || filter.maxConfidence) {
    if (row.analysis_confidence === null) return false;
    const confidence = Number(row.analysis_confidence);
    if (filter.minConfidence && confidence < Number(filter.minConfidence)) return false;
    if (filter.maxConfidence && confidence > Number(filter.maxConfidence)) return false;
  }
  return filter.search || filter.tags.length || filter.sources.length || filter.machines.length ? null : true;
}
