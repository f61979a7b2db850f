// A batch as browsers send it: {"signals": [row, …], "request_id": uuid}. Each row is checked alone and refused with
// its reason; what a row means (whose trader, which day, is there quota left) is for the database to judge.

import { z } from "zod";
import { digitsOf } from "../_shared/json.ts";
import { type Fault, Refusal } from "../_shared/refusal.ts";

/** Why a row was not recorded: one shape here and in SQL. */
export interface Rejection {
  index: number;
  code: string;
  message: string;
}

export interface Batch {
  requestId: string | null;
  rows: unknown[];
}

/** The rows that may go on, where they stood in the batch, and what is wrong with the others. */
export interface Sorted {
  sound: Row[];
  places: number[];
  rejected: Rejection[];
}

const INTERVALS = ["1m", "3m", "5m", "15m", "30m", "1h", "4h", "1d"] as const;
const DECIMAL = /^\d{1,20}(\.\d{1,30})?$/;
const MOST_LETTERS = 500;
const A_TIME = "the candle's close: Unix milliseconds, or ISO 8601 with its zone";

const text = (least: number, most: number) =>
  z.string({ error: expected("text") })
    .min(least, `must have ${least} to ${most} letters`).max(most, `must have ${least} to ${most} letters`)
    // PostgreSQL's text cannot hold it.
    .refine((value) => !value.includes("\0"), "must not contain a null character");

// Money is text. A number is taken by its digits, as they were sent.
const price = z.preprocess(
  (value) => digitsOf(value) ?? value,
  z.string({ error: expected('a decimal number, best as text: "64000.5"') })
    .regex(DECIMAL, "must be a decimal number with at most 20 digits and 30 decimals")
    .refine((value) => /[1-9]/.test(value), "must be above zero"),
);

const triggeredAt = z.preprocess(
  (value) => digitsOf(value) ?? value,
  z.string({ error: expected(A_TIME) }).refine(
    (value) => /^\d{1,15}$/.test(value) || z.iso.datetime({ offset: true }).safeParse(value).success,
    `must be ${A_TIME}`,
  ),
);

const rowSchema = z.strictObject({
  trader_id: z.guid({ error: expected("a UUID") }),
  symbol: text(1, 40).refine((value) => !value.includes("|"), "must not contain |"),
  normalised_symbol: text(1, 60).nullish(),
  interval: z.enum(INTERVALS, { error: expected(`one of ${INTERVALS.join(", ")}`) }),
  triggered_at: triggeredAt,
  side: z.enum(["long", "short"], { error: expected("long or short") }),
  price,
  id: z.guid({ error: expected("a UUID") }).nullish(),
  matched_conditions: z.array(z.unknown(), { error: expected("an array") }).nullish(),
  original_signal: z.record(z.string(), z.unknown(), { error: expected("an object") }).nullish(),
  tags: z.array(text(1, 2000), { error: expected("an array of text") }).max(20, "must be at most 20")
    .nullish(),
}, { error: expected("an object") });

const batchSchema = z.strictObject({
  signals: z.array(z.unknown(), { error: expected("an array") }),
  request_id: z.guid({ error: expected("a UUID") }).nullish(),
}, { error: expected('an object: {"signals": [...]}') });

export type Row = z.infer<typeof rowSchema>;

/** The batch of a parsed body. Throws a Refusal (400) that names the fields that are wrong. */
export function readBatch(body: unknown): Batch {
  const read = batchSchema.safeParse(body);
  if (!read.success) {
    const fields = faultsOf(read.error.issues);
    throw new Refusal(400, "bad_batch", sentenceOf(fields), null, { fields });
  }
  return { requestId: read.data.request_id ?? null, rows: read.data.signals };
}

/** Checks each row by itself. */
export function sortRows(rows: readonly unknown[]): Sorted {
  const sorted: Sorted = { sound: [], places: [], rejected: [] };
  rows.forEach((row, index) => {
    const read = rowSchema.safeParse(row);
    if (read.success) {
      sorted.sound.push(read.data);
      sorted.places.push(index);
    } else {
      const message = sentenceOf(faultsOf(read.error.issues)).slice(0, MOST_LETTERS);
      sorted.rejected.push({ index, code: "bad_row", message });
    }
  });
  return sorted;
}

/** All rejections of a batch in the order of its rows: `later` counts in the rows that went on. */
export function mergeRejections(sorted: Sorted, later: readonly Rejection[]): Rejection[] {
  const moved = later.map((each) => ({ ...each, index: sorted.places[each.index] }));
  return [...sorted.rejected, ...moved].sort((one, other) => one.index - other.index);
}

/** The message of a value that is missing, or is something else than it must be. */
function expected(what: string): (issue: { code?: string; input?: unknown; keys?: string[] }) => string {
  return (issue) => {
    if (issue.code === "unrecognized_keys") return "is not a field";
    return issue.input === undefined ? "is missing" : `must be ${what}`;
  };
}

function faultsOf(issues: readonly z.core.$ZodIssue[]): Fault[] {
  return issues.flatMap((issue) => {
    if (issue.code === "unrecognized_keys") {
      return issue.keys.map((key) => ({ field: key.slice(0, 60), message: "is not a field" }));
    }
    return [{ field: issue.path.join("."), message: issue.message }];
  });
}

function sentenceOf(faults: readonly Fault[]): string {
  return faults.map(({ field, message }) => `${field || "it"} ${message}`).join("; ");
}
