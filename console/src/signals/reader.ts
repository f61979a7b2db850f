/** What the list reads of the database. */
import { z } from "zod";
import { answer } from "../app/failure.ts";
import type { Project } from "../project.ts";
import { asksForStatusAlone, type Filter, toQuestion } from "./filter.ts";
import type { Hour } from "./hours.ts";
import { idFloor, ROW_COLUMNS, type SignalRow } from "./row.ts";
import type { Page } from "./window.ts";

export interface Stretch {
  readonly newestFirst: boolean;
  /** Ids that the stretch lies between; they are not in it. */
  readonly after?: string | null;
  readonly before?: string | null;
  readonly size: number;
}

/** One filter's way to the database; what it says of time is counted from when it was made. */
export interface Reader {
  readonly now: number;
  /** A page of rows, and up to which id it looked. Without `rows` columns, the ids alone are of use. */
  page(stretch: Stretch, signal: AbortSignal, idsAlone?: boolean): Promise<Page>;
  /** How many pass; null: counting takes too long. */
  count(signal: AbortSignal): Promise<number | null>;
  /** How many there are in each hour, as far as the status is concerned: the shape of the list. */
  hours(signal: AbortSignal): Promise<Hour[]>;
}

const Answer = z.object({
  rows: z.array(z.unknown()),
  next_cursor: z.string().nullable(),
  looked_until: z.string(),
});

export function createReader(project: Project, filter: Filter, now = Date.now()): Reader {
  const question = toQuestion(filter, now);
  return {
    now,

    async page({ newestFirst, after, before, size }, signal, idsAlone = false) {
      const said = Answer.parse(answer(
        await project.rpc("query_signals", {
          ...question,
          newest_first: newestFirst,
          page_size: size,
          columns: idsAlone ? ["id"] : [...ROW_COLUMNS],
          ...(after ? { after_id: after } : {}),
          ...(before ? { before_id: before } : {}),
        }).abortSignal(signal),
      ));
      // Checked as a whole only: these are the columns that were asked for, a thousand rows at a time.
      const rows = said.rows as SignalRow[];
      const until = said.next_cursor === null
        ? null
        : rows.length === size
        ? rows.at(-1)!.id
        : idFloor(Date.parse(said.looked_until));
      return { rows, until };
    },

    async count(signal) {
      // A number or null: what is null is an answer here, too.
      const said = await project.rpc("count_signals", question).abortSignal(signal);
      if (said.error) answer(said);
      return said.data as number | null;
    },

    async hours(signal) {
      const statuses = question.statuses && asksForStatusAlone({ ...filter, from: "", to: "" })
        ? { statuses: [...filter.statuses] }
        : {};
      const said = answer(await project.rpc("signal_counts_by_hour", statuses).abortSignal(signal));
      return said.map(({ hour, count }) => ({ at: Date.parse(hour), count }));
    },
  };
}
