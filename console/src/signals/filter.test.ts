import { parseSearchWith, stringifySearchWith } from "@tanstack/react-router";
import { expect, test } from "vitest";
import {
  Address,
  EVERYTHING,
  type Filter,
  isNarrow,
  passes,
  readAddress,
  toExport,
  toQuestion,
  writeAddress,
} from "./filter.ts";
import type { SignalRow } from "./row.ts";

const NOW = Date.parse("2026-11-22T12:00:00Z");
const FULL: Filter = {
  traders: ["0b0e2c4f-7a44-4b7f-9a8e-3d2f1c0b9a88"],
  symbols: ["BTCUSDT", "1000"],
  statuses: ["new", "in_position"],
  outcomes: ["take_profit"],
  sources: ["local"],
  machines: ["vyx-63eea370"],
  sides: ["short"],
  tags: ["a, b", "7", "true"],
  from: "24h",
  to: "2026-11-22T10:00:00.000Z",
  minConfidence: "0.60",
  maxConfidence: "1",
  search: "42 trend",
  newestFirst: false,
};

const stringify = stringifySearchWith(JSON.stringify, JSON.parse);
const parse = parseSearchWith(JSON.parse);

test("a filter goes into the address and comes out the same", () => {
  for (const filter of [EVERYTHING, FULL, { ...EVERYTHING, search: "123" }, { ...EVERYTHING, tags: ["x"] }]) {
    expect(readAddress(Address.parse(parse(stringify(writeAddress(filter)))))).toEqual(filter);
  }
  expect(stringify(writeAddress(EVERYTHING))).toBe("");
  expect(isNarrow(FULL)).toBe(true);
  expect(isNarrow({ ...EVERYTHING, newestFirst: false })).toBe(false);
});

test("what is wrong in an address asks for nothing instead of hiding the page", () => {
  const address = Address.parse({
    status: "new,sold",
    trader: "me",
    from: "yesterday",
    min: "2",
    order: "random",
    outcome: "'",
    side: 5,
  });
  expect(readAddress(address)).toEqual({ ...EVERYTHING, statuses: ["new"] });
});

test("the database and the export are asked for the same", () => {
  expect(toQuestion(FULL, NOW)).toEqual({
    traders: FULL.traders,
    symbols: FULL.symbols,
    statuses: FULL.statuses,
    outcomes: FULL.outcomes,
    sources: FULL.sources,
    machines: FULL.machines,
    sides: FULL.sides,
    any_tags: FULL.tags,
    from_time: "2026-11-21T12:00:00.000Z",
    to_time: "2026-11-22T10:00:00.000Z",
    min_confidence: 0.6,
    max_confidence: 1,
    search: "42 trend",
  });
  const exported = toExport(FULL, ["id", "symbol"], NOW);
  expect(exported.get("status")).toBe("new,in_position");
  expect(exported.getAll("tag")).toEqual(FULL.tags);
  expect(exported.get("from")).toBe("2026-11-21T12:00:00.000Z");
  expect(exported.get("min_confidence")).toBe("0.60");
});

test("a row that arrives is judged as the database would, and left to it where it cannot be", () => {
  const row = {
    trader_id: "t",
    symbol: "BTCUSDT",
    status: "new",
    side: "long",
    outcome_code: null,
    analysis_confidence: "0.7",
    triggered_at: "2026-11-22T11:30:00+00:00",
  } as SignalRow;
  const judge = (part: Partial<Filter>) => passes({ ...EVERYTHING, ...part }, row, NOW);
  expect(judge({})).toBe(true);
  expect(judge({ symbols: ["ETHUSDT"] })).toBe(false);
  expect(judge({ statuses: ["ready", "new"], sides: ["long"] })).toBe(true);
  expect(judge({ outcomes: ["take_profit"] })).toBe(false);
  expect(judge({ from: "15m" })).toBe(false);
  expect(judge({ from: "1h" })).toBe(true);
  expect(judge({ to: "2026-11-22T11:30:00Z" })).toBe(false);
  expect(judge({ minConfidence: "0.7", maxConfidence: "0.7" })).toBe(true);
  expect(judge({ minConfidence: "0.71" })).toBe(false);
  expect(judge({ search: "trend" })).toBe(null);
  expect(judge({ tags: ["x"], symbols: ["ETHUSDT"] })).toBe(false);
});
