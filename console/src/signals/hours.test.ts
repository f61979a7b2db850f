import { expect, test } from "vitest";
import { clip, partAt, timeAt, total } from "./hours.ts";

const HOUR = 3_600_000;
const hours = [{ at: 0, count: 100 }, { at: 5 * HOUR, count: 300 }, { at: 6 * HOUR, count: 0 }, {
  at: 9 * HOUR,
  count: 600,
}];

test("a place of the list has its time, and the time its place", () => {
  expect(timeAt(hours, 0, true)).toBe(10 * HOUR);
  expect(timeAt(hours, 0.6, true)).toBeCloseTo(6 * HOUR);
  expect(timeAt(hours, 0.3, true)).toBeCloseTo(9.5 * HOUR);
  expect(timeAt(hours, 0.05, false)).toBeCloseTo(HOUR / 2);
  for (const newestFirst of [true, false]) {
    for (const part of [0.05, 0.2, 0.35, 0.7, 0.99]) {
      expect(partAt(hours, timeAt(hours, part, newestFirst)!, newestFirst)).toBeCloseTo(part);
    }
  }
  expect(timeAt([], 0.5, true)).toBe(null);
});

test("between two bounds an hour counts as far as it lies inside", () => {
  expect(total(clip(hours, 5.5 * HOUR, 9.25 * HOUR))).toBe(300);
  expect(total(clip(hours, undefined, undefined))).toBe(1000);
});
