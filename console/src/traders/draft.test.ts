import { expect, test } from "vitest";
import { AnsweredError } from "../app/failure.ts";
import { changedLimits, check, draftOf, EMPTY, NO_LIMITS, readSymbols, rowOf } from "./draft.ts";
import { PartlySaved, readRefusal } from "./refusal.ts";
import type { Trader } from "./trader.ts";

const written = { ...EMPTY, name: " Dip ", conditions: ["RSI(14) < 30"] };

test("every digit that was typed arrives, and what is left empty is nothing", () => {
  const row = rowOf({
    ...written,
    stop_loss_value: "1.10",
    trailing_stop_value: "3",
    max_holding_seconds: "3600",
  });
  expect(row).toMatchObject({
    name: "Dip",
    symbols: ["BTCUSDT", "ETHUSDT"],
    stop_loss_value: "1.10",
    trailing_stop_type: null,
    trailing_stop_value: null,
    max_holding_seconds: 3600,
    default_exchange_account_id: null,
  });
});

test("a trader that is read and written again is the same", () => {
  const row = rowOf({ ...written, ai_analysis_limit: "" });
  const again = rowOf(draftOf(row as unknown as Trader));
  expect(again).toEqual(row);
});

test("symbols are parted by whatever people type", () => {
  expect(readSymbols(" btcusdt,ETHUSDT\nbtcusdt; solusdt ")).toEqual(["BTCUSDT", "ETHUSDT", "SOLUSDT"]);
});

test("what is plainly wrong is said before anything is sent, each at its field", () => {
  const { faults, condition } = check({
    ...written,
    name: "",
    conditions: ["close > 1", "RSI(14) <"],
    take_profit_value: "a lot",
    trailing_stop_type: "atr",
  });
  expect(Object.keys(faults).sort()).toEqual([
    "conditions",
    "name",
    "take_profit_value",
    "trailing_stop_value",
  ]);
  expect(condition).toMatchObject({ place: 1, column: 10 });
  expect(check(written)).toEqual({ faults: {}, condition: null });
});

test("only the limits that were changed are sent, and an emptied one is lifted", () => {
  const before = { ...NO_LIMITS, max_positions: "3", max_drawdown: "100" };
  const after = { ...before, max_positions: "", max_daily_loss: "50.5" };
  expect(changedLimits(before, after)).toEqual({ max_positions: null, max_daily_loss: "50.5" });
});

test("a trader whose limits are refused is saved, and the limit is named", () => {
  const message =
    'new row for relation "risk_limits" violates check constraint "a limit of orders is 1 to 600 a minute"';
  const refusal = readRefusal(new PartlySaved(new AnsweredError({ message, code: "23514" }, 400)));
  expect(refusal).toMatchObject({
    field: "max_orders_per_minute",
    rest: "The trader is saved, its limits are not",
  });
});

test.each([
  ["a percentage stop loss is below 100", "stop_loss_value"],
  ["a risk_based size needs a stop loss", "stop_loss_value"],
  ["a percentage trailing stop is below 100", "trailing_stop_value"],
  ["on spot a trader can only go long", "side"],
  ["a monitoring interval is 1 second to 1 day", "monitoring_interval_seconds"],
  ["a trader watches 1 to 500 symbols", "symbols"],
  ["a trader has a name of at most 100 characters", "name"],
  ["a fixed size is at most 10 million", "position_size_value"],
  ["a trader's account belongs to its owner", "default_exchange_account_id"],
])("a refusal names its field: %s", (rule, field) => {
  const error = new AnsweredError({
    message: `new row for relation "traders" violates check constraint "${rule}"`,
    code: "23514",
  }, 400);
  const refusal = readRefusal(error);
  expect(refusal.field).toBe(field);
  expect(refusal.message.toLowerCase()).toBe(`${rule}.`);
});
