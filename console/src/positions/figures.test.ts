import { expect, test } from "vitest";
import { distance, reach, total, totals, unrealized } from "./figures.ts";
import { tellHolding } from "./sample.ts";

test("profit keeps every digit, whatever a float or twenty digits would make of it", () => {
  const one = tellHolding({
    amount: "123456789.123456789123",
    entry_average: "0.000000123456789012",
    price: "98765.432109876543210987",
    realized_pnl: "-0.000000000000000001",
  });
  // 123456789123456789123e-12 times (98765432109876543210987e-18 - 123456789012e-18), in whole numbers.
  const whole = 123456789123456789123n * (98765432109876543210987n - 123456789012n);
  const text = whole.toString();
  const exact = `${text.slice(0, -30)}.${text.slice(-30)}`.replace(/0+$/, "");
  expect(unrealized(one)).toBe(exact);
  expect(unrealized({ ...one, side: "short" })).toBe(`-${exact}`);
  expect(total({ ...one, price: one.entry_average })).toBe("-0.000000000000000001");
});

test("what has no price has no profit, and no distance", () => {
  expect(unrealized(tellHolding({ price: null }))).toBeNull();
  expect(total(tellHolding({ price: null }))).toBeNull();
  expect(distance("long", null, "98")).toBeNull();
  expect(distance("long", "100", null)).toBeNull();
});

test("a distance is in percent of the price, and below zero once the level was passed", () => {
  expect(distance("long", "100", "98")).toBe("2");
  expect(distance("short", "100", "98")).toBe("-2");
  expect(distance("short", "100", "103")).toBe("3");
  expect(distance("long", "0.3", "0.1")).toBe("66.66666667");
  expect(reach("long", "100", "104")).toBe("4");
  expect(reach("short", "100", "96")).toBe("4");
  expect(reach("short", "100", "104")).toBe("-4");
});

test("a long and a short mirror each other", () => {
  for (let price = 1; price < 50; price++) {
    for (const level of ["7", "23.5", "49"]) {
      const [long, short] = [
        distance("long", String(price), level)!,
        distance("short", String(price), level)!,
      ];
      expect(Number(long)).toBe(-Number(short) + 0);
      expect(Number(long) > 0).toBe(price > Number(level));
    }
  }
});

test("money of unlike currencies is never added up, and what has no price is counted", () => {
  const held = [
    tellHolding({ price: "101.1", realized_pnl: "-0.3" }),
    tellHolding({ price: "100.2", realized_pnl: "-0.1", side: "short" }),
    tellHolding({ price: null }),
    tellHolding({ normalised_symbol: "ETH/BTC", amount: "1", price: "100.000000001", realized_pnl: "0" }),
  ];
  expect(totals(held)).toEqual([
    { currency: "BTC", pnl: "0.000000001", positions: 1, unpriced: 0 },
    { currency: "USDT", pnl: "1.4", positions: 3, unpriced: 1 },
  ]);
});
