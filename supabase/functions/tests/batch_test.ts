// What browsers send: each row is sound or has its reason, in the order of the batch.

import { deepStrictEqual as same, ok, throws } from "node:assert/strict";
import { parseExactly } from "../_shared/json.ts";
import { mergeRejections, readBatch, sortRows } from "../ingest-signals/batch.ts";

const row = {
  trader_id: "11111111-1111-4111-8111-111111111111",
  symbol: "BTCUSDT",
  interval: "1m",
  triggered_at: 1759487400000,
  side: "long",
  price: "64000.5",
};
const reasonOf = (changes: Record<string, unknown>) =>
  sortRows([{ ...row, ...changes }]).rejected[0]?.message;

Deno.test("a whole row passes with everything that it may hold", () => {
  const whole = {
    ...row,
    normalised_symbol: "BTC/USDT",
    id: "0199a99f-1840-8bc8-a85b-e2fc4a6f6231",
    matched_conditions: ["RSI(14) < 30", { text: "close > 1" }],
    original_signal: { rsi: 28 },
    tags: ["dip", "a, b"],
  };
  same(sortRows([row, whole]).rejected, []);
  same(sortRows([whole]).sound[0].tags, ["dip", "a, b"]);
});

for (
  const [changes, reason] of [
    [{ machine_id: "vyx-1" }, /^machine_id is not a field$/],
    [{ source: "cloud" }, /^source is not a field$/],
    [{ user_id: row.trader_id }, /^user_id is not a field$/],
    [{ price: undefined }, /^price is missing$/],
    [{ price: null }, /^price must be a decimal/],
    [{ price: "0" }, /^price must be above zero$/],
    [{ price: "-1" }, /^price must be a decimal/],
    [{ price: "NaN" }, /^price must be a decimal/],
    [{ price: "1e5" }, /^price must be a decimal/],
    [{ price: `0.${"1".repeat(31)}` }, /^price must be a decimal/],
    [{ symbol: "" }, /^symbol must have 1 to 40 letters$/],
    [{ symbol: "A|B" }, /^symbol must not contain \|$/],
    [{ symbol: "A\0B" }, /^symbol must not contain a null character$/],
    [{ symbol: 7 }, /^symbol must be text$/],
    [{ interval: "2m" }, /^interval must be one of 1m, 3m/],
    [{ side: "up" }, /^side must be long or short$/],
    [{ trader_id: "me" }, /^trader_id must be a UUID$/],
    [{ triggered_at: "2025-10-03T10:30:00" }, /^triggered_at must be the candle's close/],
    [{ triggered_at: "yesterday" }, /^triggered_at must be the candle's close/],
    [{ triggered_at: 1.5 }, /^triggered_at must be the candle's close/],
    [{ triggered_at: undefined }, /^triggered_at is missing$/],
    [{ matched_conditions: "RSI" }, /^matched_conditions must be an array$/],
    [{ original_signal: [] }, /^original_signal must be an object$/],
    [{ tags: Array(21).fill("x") }, /^tags must be at most 20$/],
    [{ tags: [1] }, /^tags\.0 must be text$/],
    [{ symbol: undefined, side: undefined }, /^symbol is missing; side is missing$/],
  ] as const
) {
  Deno.test(`a row with ${JSON.stringify(changes)} says what is wrong`, () => {
    ok(reason.test(reasonOf(changes) ?? "nothing"), `${reasonOf(changes)} is not ${reason}`);
  });
}

Deno.test("times with a zone and prices as numbers are taken", () => {
  same(reasonOf({ triggered_at: "2025-10-03T10:30:00Z" }), undefined);
  same(reasonOf({ triggered_at: "2025-10-03T12:30:00.123+02:00" }), undefined);
  same(sortRows([{ ...row, price: 64000.5 }]).sound[0].price, "64000.5");
});

Deno.test("no digit of a number is lost on the way", () => {
  const text = '{"price":0.12345678901234567890,"original_signal":{"id":12345678901234567890,"x":1.10}}';
  const parsed = parseExactly(text);
  same(JSON.stringify(parsed), text);
  const sent = sortRows([{ ...row, ...(parsed as object) }]);
  same(sent.sound[0].price, "0.12345678901234567890");
  same(
    JSON.stringify(sent.sound[0].original_signal),
    '{"id":12345678901234567890,"x":1.10}',
  );
});

Deno.test("what is no row at all is refused as such", () => {
  same(sortRows([null, 5, "x", []]).rejected.map(({ index, code }) => [index, code]), [
    [0, "bad_row"],
    [1, "bad_row"],
    [2, "bad_row"],
    [3, "bad_row"],
  ]);
});

Deno.test("later rejections count in the rows that went on, and come in the order of the batch", () => {
  const sorted = sortRows([row, {}, row, row, 7]);
  same(sorted.places, [0, 2, 3]);
  const merged = mergeRejections(sorted, [
    { index: 2, code: "quota_exceeded", message: "…" },
    { index: 0, code: "unknown_trader", message: "…" },
  ]);
  same(merged.map(({ index, code }) => [index, code]), [
    [0, "unknown_trader"],
    [1, "bad_row"],
    [3, "quota_exceeded"],
    [4, "bad_row"],
  ]);
});

Deno.test("a batch that is none names its fields", () => {
  for (
    const [body, fields] of [
      [[], [""]],
      [{}, ["signals"]],
      [{ signals: {} }, ["signals"]],
      [{ signals: [], request_id: 7 }, ["request_id"]],
      [{ signals: [], user: 1, role: 2 }, ["user", "role"]],
    ] as const
  ) {
    throws(() => readBatch(body), (error: { status: number; fields: { field: string }[] }) => {
      same(error.status, 400);
      same(error.fields.map(({ field }) => field), [...fields]);
      return true;
    });
  }
});
