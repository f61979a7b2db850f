import { expect, test } from "vitest";
import { type Bucket, compare, rate, toPoints, toTotals } from "./series.ts";

function bucket(realized_pnl: string, more: Partial<Bucket> = {}): Bucket {
  return {
    bucket_start: "2026-11-22T00:00:00+00:00",
    bucket_end: "2026-11-23T00:00:00+00:00",
    signals: 0,
    traded: 0,
    rejected: 0,
    expired: 0,
    trades: 0,
    wins: 0,
    realized_pnl,
    ...more,
  };
}

test("equity and drawdown follow the profit", () => {
  const points = toPoints(["10", "-4", "-3", "8", "-2"].map((one) => bucket(one)));
  expect(points.map((one) => one.equity)).toEqual(["10", "6", "3", "11", "9"]);
  expect(points.map((one) => one.drawdown)).toEqual(["0", "4", "7", "0", "2"]);
  expect(toTotals(points).maxDrawdown).toBe("7");
});

test("who only loses falls from nothing", () => {
  expect(toPoints([bucket("-1.5"), bucket("-1")]).map((one) => one.drawdown)).toEqual(["1.5", "2.5"]);
});

test("no digit is lost, however many there are", () => {
  const points = toPoints([
    bucket("0.1"),
    bucket("0.2"),
    bucket("123456789012345678901234567890.000000000000000001"),
    bucket("-123456789012345678901234567890"),
  ]);
  expect(points.map((one) => one.equity)).toEqual([
    "0.1",
    "0.3",
    "123456789012345678901234567890.300000000000000001",
    "0.300000000000000001",
  ]);
  expect(points[3]!.drawdown).toBe("123456789012345678901234567890");
});

test("of nothing the totals are nothing", () => {
  expect(toTotals([])).toMatchObject({ signals: 0, pnl: "0", maxDrawdown: "0", winRate: null });
});

test("two periods are compared figure by figure", () => {
  const now = toTotals(toPoints([bucket("10.5", { signals: 4, trades: 3, wins: 2 })]));
  const before = toTotals(toPoints([bucket("-0.25", { signals: 6, trades: 4, wins: 1 })]));
  const changes = Object.fromEntries(compare(now, before).map((one) => [one.name, one]));
  expect(changes["Signals"]).toMatchObject({ now: "4", before: "6", difference: "-2" });
  expect(changes["Win rate"]).toMatchObject({ now: "66.7", before: "25.0", difference: "41.7" });
  expect(changes["Profit"]).toMatchObject({ now: "10.5", before: "-0.25", difference: "10.75" });
  expect(changes["Deepest fall"]).toMatchObject({ now: "0", before: "0.25", difference: "-0.25" });
});

test("a rate of nothing is none", () => {
  expect(rate(0, 0)).toBeNull();
  expect(rate(1, 3)).toBe("33.3");
  const none = toTotals([]);
  expect(compare(none, none).find((one) => one.name === "Win rate")).toMatchObject({
    now: null,
    difference: null,
  });
});
