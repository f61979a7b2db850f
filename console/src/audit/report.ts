/** The report of a user's trail: every event of the signals that fired in a time, page by page, as CSV. */
import { z } from "zod";
import { answer } from "../app/failure.ts";
import type { Project } from "../project.ts";
import { cell, csvLine } from "./csv.ts";

/** As `sigtrail audit report` has them. */
export const COLUMNS = [
  "signal_id",
  "signal",
  "symbol",
  "side",
  "interval",
  "trader_id",
  "source",
  "triggered_at",
  "initial_price",
  "number",
  "occurred_at",
  "recorded_at",
  "event_type",
  "location",
  "from_status",
  "to_status",
  "worker",
  "order_id",
  "position_id",
  "execution_id",
  "event_data",
  "error_info",
  "tx",
] as const;

const Row = z.record(z.enum(COLUMNS), z.string().nullable());
export type TrailRow = z.infer<typeof Row>;

const Page = z.object({
  rows: z.array(Row),
  cursor: z.string().nullable(),
  signals: z.number(),
  looked_until: z.string().nullable(),
});

/** Everything that there is: no signal lies outside. */
export const EVER = { from: new Date("2009-01-01T00:00:00Z"), to: new Date("2100-01-01T00:00:00Z") };

export interface TrailFilter {
  readonly from: Date;
  readonly to: Date;
  readonly newestFirst?: boolean;
  readonly events?: readonly string[];
  readonly workers?: readonly string[];
}

/** One page of the trail of whoever is signed in: the events of the next `most` signals. */
export async function readTrailPage(
  project: Project,
  filter: TrailFilter,
  cursor: string | null,
  most: number,
  signal: AbortSignal,
) {
  return Page.parse(answer(
    await project.rpc("trail_page", {
      from_time: filter.from.toISOString(),
      to_time: filter.to.toISOString(),
      most,
      newest_first: filter.newestFirst ?? false,
      ...(cursor === null ? {} : { cursor }),
      ...(filter.events === undefined ? {} : { events: [...filter.events] }),
      ...(filter.workers === undefined ? {} : { workers: [...filter.workers] }),
    }).abortSignal(signal),
  ));
}

export interface Progress {
  readonly signals: number;
  readonly events: number;
  /** Signals that fired up to here are in the report. */
  readonly until: string | null;
}

/** Writes the report; `tell` hears how far it is, and `signal` ends it. Answers the file. */
export async function writeReport(
  project: Project,
  from: Date,
  to: Date,
  tell: (progress: Progress) => void,
  signal: AbortSignal,
): Promise<Blob> {
  // Each page becomes a part that the browser may keep outside of the page's memory.
  const parts: Blob[] = [new Blob([csvLine(COLUMNS)])];
  let cursor: string | null = null;
  let [signals, events] = [0, 0];
  do {
    const page = await readTrailPage(project, { from, to }, cursor, 500, signal);
    signal.throwIfAborted();
    const lines = page.rows.map((row) => csvLine(COLUMNS.map((name) => cell(row[name] ?? null))));
    parts.push(new Blob(lines));
    signals += page.signals;
    events += page.rows.length;
    cursor = page.cursor;
    tell({ signals, events, until: page.looked_until });
  } while (cursor !== null);
  return new Blob(parts, { type: "text/csv;charset=utf-8" });
}
