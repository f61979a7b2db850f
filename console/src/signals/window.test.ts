import { expect, test } from "vitest";
import type { SignalRow } from "./row.ts";
import {
  compare,
  cutTail,
  extendHead,
  extendTail,
  merge,
  open,
  refresh,
  remove,
  settle,
  trim,
  type Window,
} from "./window.ts";

/** The row of a number, changed so many times. */
export function row(number: number, change = 0): SignalRow {
  return {
    id: id(number),
    updated_at: `2026-01-01T00:00:${String(change).padStart(2, "0")}+00:00`,
  } as SignalRow;
}
const id = (number: number) => `${String(number).padStart(8, "0")}-0000-8000-8000-000000000000`;
const numbers = (window: Window) => window.rows.map((one) => Number(one.id.slice(0, 8)));
const pageOf = (list: readonly number[], until: number | null) => ({
  rows: list.map((number) => row(number)),
  until: until === null ? null : id(until),
});

/** The same order of chances every time. */
function chances(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
}

test("rows come in at their place, whatever the order, however often, and the latest change stands", () => {
  for (let seed = 1; seed <= 60; seed++) {
    const chance = chances(seed);
    const newestFirst = chance() < 0.5;
    const told = Array.from({ length: 60 }, () => row(Math.floor(chance() * 40), Math.floor(chance() * 9)));
    let window = open(newestFirst, { rows: [], until: null }, null, 0);
    for (let at = 0; at < told.length;) {
      const batch = told.slice(at, at += 1 + Math.floor(chance() * 9));
      window = merge(window, batch);
      expect(merge(window, batch).rows).toEqual(window.rows);
    }
    const latest = new Map<string, string>();
    for (const one of told) {
      if ((latest.get(one.id) ?? "") <= one.updated_at) latest.set(one.id, one.updated_at);
    }
    const wanted = [...latest].sort(([one], [other]) => compare(newestFirst, one, other));
    expect(window.rows.map((one) => [one.id, one.updated_at])).toEqual(wanted);
  }
});

test("a walk in both directions through pages that are dropped and read again has no gap and no double", () => {
  const all = Array.from({ length: 500 }, (_, index) => 500 - index);
  for (let seed = 1; seed <= 12; seed++) {
    const chance = chances(seed);
    let window = open(true, pageOf(all.slice(0, 20), all[19]!), null, 0);
    let place = 0;
    for (let step = 0; step < 120; step++) {
      place = Math.max(0, Math.min(499, place + Math.floor((chance() - 0.4) * 30)));
      if (window.tail !== null && place > window.start + window.rows.length - 10) {
        const from = all.indexOf(Number(window.tail.slice(0, 8))) + 1;
        const rows = all.slice(from, from + 20);
        window = extendTail(window, pageOf(rows, from + 20 >= all.length ? null : rows.at(-1)!));
      }
      if (window.head !== null && place < window.start + 10) {
        const to = all.indexOf(Number(window.head.slice(0, 8)));
        const from = Math.max(0, to - 20);
        window = extendHead(window, pageOf(all.slice(from, to), from === 0 ? null : all[from]!));
      }
      window = trim(window, place - window.start, 60);
      expect(window.rows.length).toBeLessThanOrEqual(60);
      // Read from the top without a jump, places are no estimate.
      expect(numbers(window)).toEqual(all.slice(window.start, window.start + window.rows.length));
    }
  }
});

test("what comes in above what somebody reads moves none of it", () => {
  const window = { ...open(true, pageOf([90, 80, 70, 60], 60), id(95), 10) };
  const told = merge(window, [row(85), row(75), row(65)], 2);
  expect(numbers(told)).toEqual([90, 85, 80, 75, 70, 65, 60]);
  expect(told.start + numbers(told).indexOf(70)).toBe(12);
  const left = remove(told, new Set([id(85), id(65)]), 4);
  expect(left.start + numbers(left).indexOf(70)).toBe(12);
});

test("what lies outside of what is in memory stays outside", () => {
  const window = open(true, pageOf([90, 80], 80), id(90), 5);
  expect(merge(window, [row(95), row(79)])).toBe(window);
});

test("what the database did not name is gone, and only where it looked", () => {
  const window = open(true, pageOf([90, 80, 70, 60], 60), null, 0);
  expect(numbers(refresh(window, [row(85), row(70)], id(90), id(70)))).toEqual([85, 70, 60]);
  expect(numbers(refresh(window, [], null, null))).toEqual([]);
  expect(cutTail(window, id(80))).toMatchObject({ tail: id(80), rows: [{ id: id(90) }, { id: id(80) }] });
});

test("at the beginning of the list the first place is zero, and elsewhere never less", () => {
  const away = extendHead(open(true, pageOf([60], 60), id(65), 1), pageOf([90, 80, 70], 90));
  expect(settle(away)).toEqual([{ ...away, start: 0 }, 2]);
  const begun = extendHead(open(true, pageOf([60], 60), id(65), 40), pageOf([90, 80, 70], null));
  expect(settle(begun)).toEqual([{ ...begun, start: 0 }, -37]);
});
