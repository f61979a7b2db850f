import { expect, test } from "vitest";
import type { Limits } from "./account.ts";
import { asked, used } from "./limit.ts";

const known: Limits = {
  max_positions: 3,
  max_notional: "1000.50",
  max_symbol_notional: null,
  max_daily_loss: "100",
  max_drawdown: null,
  max_orders_per_minute: null,
  reduce_at_percent: 80,
};

function form(values: Partial<Record<keyof Limits, string>>) {
  return (name: keyof Limits) => values[name] ?? String(known[name] ?? "");
}

test("a form changes what was changed alone", () => {
  expect(asked(form({}), known)).toEqual({});
  expect(asked(form({ max_daily_loss: "50", max_notional: "1000.5" }), known)).toEqual({
    max_daily_loss: "50",
  });
});

test("an empty field lifts a limit, and one that was not there stays away", () => {
  expect(asked(form({ max_positions: "", max_drawdown: "" }), known)).toEqual({ max_positions: null });
});

test("a limit keeps every digit", () => {
  expect(asked(form({ max_drawdown: "123456789.123456789" }), known)).toEqual({
    max_drawdown: "123456789.123456789",
  });
});

test("what is no number is refused with a sentence", () => {
  expect(() => asked(form({ max_positions: "many" }), known)).toThrow("“many” is no limit");
  expect(() => asked(form({ max_positions: "-1" }), known)).toThrow(RangeError);
});

test("the part that is used is rounded down, so that 100 % is the whole", () => {
  expect(used("99.999", "100")).toBe(99);
  expect(used("100", "100")).toBe(100);
  expect(used("0", "0")).toBe(100);
  expect(used("1", null)).toBeNull();
});
