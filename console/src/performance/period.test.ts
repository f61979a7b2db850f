import { expect, test } from "vitest";
import { dateIn, midnight, period, shift, utcDays } from "./period.ts";

test("a day begins at the midnight of its zone", () => {
  expect(midnight("UTC", "2026-11-22").toISOString()).toBe("2026-11-22T00:00:00.000Z");
  expect(midnight("Europe/Berlin", "2026-11-22").toISOString()).toBe("2026-11-21T23:00:00.000Z");
  expect(midnight("Asia/Kathmandu", "2026-11-22").toISOString()).toBe("2026-11-21T18:15:00.000Z");
  expect(midnight("America/New_York", "2026-07-01").toISOString()).toBe("2026-07-01T04:00:00.000Z");
});

test("days of 23 and 25 hours are whole", () => {
  const spring = period("Europe/Berlin", "2026-03-29", 1);
  expect((spring.to.getTime() - spring.from.getTime()) / 3_600_000).toBe(23);
  const autumn = period("Europe/Berlin", "2026-10-25", 1);
  expect((autumn.to.getTime() - autumn.from.getTime()) / 3_600_000).toBe(25);
});

test("a day whose midnight is skipped begins when the clock comes to it", () => {
  // Clocks in Chile went from 24:00 straight to 01:00 on this day.
  const start = midnight("America/Santiago", "2026-09-06");
  expect(dateIn("America/Santiago", start)).toBe("2026-09-06");
  expect(dateIn("America/Santiago", new Date(start.getTime() - 1))).toBe("2026-09-05");
});

test("the period before ends where this one begins, in every zone", () => {
  for (const zone of ["UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Apia"]) {
    for (const days of [1, 7, 30, 90, 365]) {
      const until = "2026-04-02";
      expect(period(zone, shift(until, -days), days).to).toEqual(period(zone, until, days).from);
    }
  }
});

test("the UTC days of a period are those that it touches", () => {
  expect(utcDays(period("UTC", "2026-11-22", 7))).toEqual({ from_day: "2026-11-16", to_day: "2026-11-22" });
  expect(utcDays(period("Europe/Berlin", "2026-11-22", 1))).toEqual({
    from_day: "2026-11-21",
    to_day: "2026-11-22",
  });
});
