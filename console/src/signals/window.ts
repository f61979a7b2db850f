/**
 * The part of a long list that is in memory: a run of rows without a gap, and where in the list it lies.
 *
 * Everything here is a pure function of values that never change. The list is in the order of the ids, newest or oldest
 * first; "head" is its beginning in that order and "tail" its end. An edge is the id up to which everything is known;
 * null says that the list begins (or ends) there.
 */
import { newer, type SignalRow } from "./row.ts";

export interface Window {
  readonly newestFirst: boolean;
  readonly rows: readonly SignalRow[];
  /** The place of the first row in the list: exact where the head is null, estimated elsewhere. */
  readonly start: number;
  readonly head: string | null;
  readonly tail: string | null;
}

/** A page in the order of the list, and how far it looked: null to the end of the list in the direction of its reading. */
export interface Page {
  readonly rows: readonly SignalRow[];
  readonly until: string | null;
}

/** Whether an id stands before another in the list; 0 when they are the same. */
export function compare(newestFirst: boolean, one: string, other: string): number {
  if (one === other) return 0;
  return (one < other) === newestFirst ? 1 : -1;
}

/** The index of an id among the rows, or where it would stand. */
export function indexOf(window: Window, id: string): number {
  let low = 0;
  let high = window.rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compare(window.newestFirst, window.rows[middle]!.id, id) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function holds(window: Window, id: string): boolean {
  return window.rows[indexOf(window, id)]?.id === id;
}

/** Whether a row of this id, if there is one, belongs among the rows. */
export function covers(window: Window, id: string): boolean {
  return (window.head === null || compare(window.newestFirst, id, window.head) >= 0) &&
    (window.tail === null || compare(window.newestFirst, id, window.tail) <= 0);
}

/** A first page of the list, or of the list from a bound on, at a place. */
export function open(newestFirst: boolean, page: Page, head: string | null, start: number): Window {
  return { newestFirst, rows: page.rows, start, head, tail: page.until };
}

/** With the page that comes after the last row. */
export function extendTail(window: Window, page: Page): Window {
  const fresh = page.rows.filter((row) => !holds(window, row.id));
  return { ...window, rows: [...window.rows, ...fresh], tail: page.until };
}

/**
 * With the page that comes before the first row: what was there keeps its place, unless the beginning of the list is
 * reached, whose place is known.
 */
export function extendHead(window: Window, page: Page): Window {
  const fresh = page.rows.filter((row) => !holds(window, row.id));
  return {
    ...window,
    rows: [...fresh, ...window.rows],
    start: window.start - fresh.length,
    head: page.until,
  };
}

/** The first place is never below zero, and zero where the list begins. The second value: by how many rows all moved. */
export function settle(window: Window): [Window, number] {
  const start = window.head === null ? 0 : Math.max(0, window.start);
  return start === window.start ? [window, 0] : [{ ...window, start }, start - window.start];
}

/**
 * With these rows in their order, each once and as of its latest change; rows outside of the window are left out. Rows
 * from `anchor` on (an index) keep their place, whatever comes in above them; the anchor 0 lets all of them move down.
 */
export function merge(window: Window, told: readonly SignalRow[], anchor = 0): Window {
  const fresh = new Map<string, SignalRow>();
  const changed = new Map<number, SignalRow>();
  for (const row of told) {
    if (!covers(window, row.id)) continue;
    const index = indexOf(window, row.id);
    const known = changed.get(index) ?? window.rows[index];
    if (known?.id === row.id) changed.set(index, newer(known, row));
    else {
      const before = fresh.get(row.id);
      fresh.set(row.id, before ? newer(before, row) : row);
    }
  }
  if (fresh.size === 0 && changed.size === 0) return window;

  const kept = changed.size === 0 ? window.rows : window.rows.map((row, index) => changed.get(index) ?? row);
  const added = [...fresh.values()].sort((one, other) => compare(window.newestFirst, one.id, other.id));
  const reading = window.rows[anchor]?.id;
  const above = anchor === 0 || reading === undefined
    ? 0
    : added.filter((row) => compare(window.newestFirst, row.id, reading) < 0).length;
  return { ...window, rows: interleave(window.newestFirst, kept, added), start: window.start - above };
}

/** Without these rows; those from the anchor on keep their place. */
export function remove(window: Window, ids: ReadonlySet<string>, anchor = 0): Window {
  const rows = window.rows.filter((row) => !ids.has(row.id));
  if (rows.length === window.rows.length) return window;
  const above = window.rows.slice(0, anchor).filter((row) => ids.has(row.id)).length;
  return { ...window, rows, start: window.start + above };
}

/**
 * With what the database said of everything between two ids (both looked at; in the order of the list). What it did not
 * name there is gone: it passes the filter no more. null: to the edge of the list.
 */
export function refresh(
  window: Window,
  rows: readonly SignalRow[],
  from: string | null,
  to: string | null,
  anchor = 0,
): Window {
  const said = new Set(rows.map((row) => row.id));
  const gone = new Set<string>();
  for (const { id } of window.rows) {
    const inside = (from === null || compare(window.newestFirst, id, from) >= 0) &&
      (to === null || compare(window.newestFirst, id, to) <= 0);
    if (inside && !said.has(id)) gone.add(id);
  }
  const reading = window.rows.slice(anchor).find((row) => !gone.has(row.id))?.id;
  const left = remove(window, gone, anchor);
  return merge(left, rows, anchor === 0 || reading === undefined ? 0 : indexOf(left, reading));
}

/** Only the rows around an index: memory stays as it is however far somebody scrolls. */
export function trim(window: Window, around: number, most: number): Window {
  if (window.rows.length <= most) return window;
  const first = Math.max(0, Math.min(around - (most >> 1), window.rows.length - most));
  const rows = window.rows.slice(first, first + most);
  return {
    ...window,
    rows,
    start: window.start + first,
    head: first === 0 ? window.head : rows[0]!.id,
    tail: first + most === window.rows.length ? window.tail : rows.at(-1)!.id,
  };
}

/** Cut off after an index: what follows is not known any more. */
export function cutTail(window: Window, after: string): Window {
  const index = indexOf(window, after);
  const rows = window.rows.slice(0, index + (window.rows[index]?.id === after ? 1 : 0));
  return { ...window, rows, tail: after };
}

/** Nothing new is let in before the first row: it is counted, until somebody comes to see it. */
export function freezeHead(window: Window): Window {
  return window.head === null && window.rows[0] ? { ...window, head: window.rows[0].id } : window;
}

function interleave(
  newestFirst: boolean,
  rows: readonly SignalRow[],
  added: readonly SignalRow[],
): SignalRow[] {
  if (added.length === 0) return [...rows];
  const woven: SignalRow[] = [];
  let next = 0;
  for (const row of rows) {
    while (next < added.length && compare(newestFirst, added[next]!.id, row.id) < 0) {
      woven.push(added[next++]!);
    }
    woven.push(row);
  }
  return woven.concat(added.slice(next));
}
