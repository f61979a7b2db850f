/** What messages mean for a list: which rows come in, which leave, what has to be read again, and what waits above. */
import { type Filter, passes } from "./filter.ts";
import type { ChangeMessage, SignalRow } from "./row.ts";
import { holds, type Window } from "./window.ts";

/** Ids from the least to the greatest; null: no bound. */
export interface Range {
  readonly from: string | null;
  readonly to: string | null;
}

export const WHOLE: Range = { from: null, to: null };

export interface Arrivals {
  /** To be let in, where the window covers them; the last one of an id is its latest. */
  readonly welcome: readonly SignalRow[];
  /** They pass the filter no more. */
  readonly left: ReadonlySet<string>;
  /** Messages said that more has changed here than they carried, or what only the database can judge. */
  readonly stale: Range | null;
  /** Rows above the mark, which wait until somebody comes to see them. */
  readonly waiting: readonly string[];
  /** There are more of these than the messages named. */
  readonly uncounted: boolean;
}

/** mark: the newest id when the reader left the top of the list; null: they are there. now: Unix milliseconds. */
export function sortArrivals(
  messages: readonly ChangeMessage[],
  filter: Filter,
  window: Window,
  mark: string | null,
  now: number,
): Arrivals {
  const welcome = new Map<string, SignalRow>();
  const left = new Set<string>();
  const waiting: string[] = [];
  let stale: Range | null = null;
  let uncounted = false;
  for (const message of messages) {
    let complete = message.rows.length >= message.count;
    for (const row of message.rows) {
      const verdict = passes(filter, row, now);
      if (verdict === false) {
        left.add(row.id);
        welcome.delete(row.id);
      } else if (verdict === true || holds(window, row.id)) {
        const told = welcome.get(row.id);
        if (!told || told.updated_at <= row.updated_at) welcome.set(row.id, row);
        left.delete(row.id);
        if (mark !== null && row.id > mark) waiting.push(row.id);
      } else complete = false;
    }
    if (complete) continue;
    const range = { from: message.fromId, to: message.toId };
    stale = stale ? join(stale, range) : range;
    if (mark !== null && message.toId > mark) uncounted = true;
  }
  return { welcome: [...welcome.values()], left, stale, waiting, uncounted };
}

/** The least range that holds both. */
export function join(one: Range, other: Range): Range {
  return {
    from: one.from === null || other.from === null ? null : one.from < other.from ? one.from : other.from,
    to: one.to === null || other.to === null ? null : one.to > other.to ? one.to : other.to,
  };
}
