import { expect, test } from "vitest";
import { choose } from "./holdings.ts";
import { tellHolding } from "./sample.ts";
import { after, PositionsSearch, readCursor, writeCursor } from "./search.ts";

const CURSOR = { at: "2025-05-04T10:05:00.123456+00:00", id: "01969abd-0100-8f88-9fdc-4d5691d7003c" };

test("an address holds the whole view, and comes back as it was", () => {
  const search = {
    view: "orders" as const,
    account: CURSOR.id,
    trader: CURSOR.id,
    symbol: "BTCUSDT",
    side: "short" as const,
    status: ["unresolved" as const, "open" as const],
    before: writeCursor(CURSOR),
  };
  expect(PositionsSearch.parse(search)).toEqual(search);
  expect(readCursor(search.before)).toEqual(CURSOR);
});

test("what cannot be read is left out, and the rest holds", () => {
  const parsed = PositionsSearch.parse({
    view: "all",
    account: "mine",
    symbol: "a'b",
    side: "up",
    status: ["gone"],
    trader: CURSOR.id,
  });
  expect(Object.entries(parsed).filter(([, value]) => value !== undefined)).toEqual([["trader", CURSOR.id]]);
  for (
    const wrong of [
      undefined,
      "",
      "~",
      "2025~x",
      `yesterday~${CURSOR.id}`,
      `${writeCursor(CURSOR)}~1`,
      `${CURSOR.at}",id~${CURSOR.id}`,
    ]
  ) {
    expect(readCursor(wrong)).toBeNull();
  }
});

test("after a cursor comes what is older, or as old with a lower id", () => {
  expect(after("opened_at", CURSOR)).toBe(
    `opened_at.lt."${CURSOR.at}",and(opened_at.eq."${CURSOR.at}",id.lt.${CURSOR.id})`,
  );
});

test("filters choose by all that is asked for", () => {
  const held = [
    tellHolding(),
    tellHolding({ id: "p2", side: "short" }),
    tellHolding({ id: "p3", symbol: "BTCUSDT" }),
  ];
  expect(choose(held, {}).length).toBe(3);
  expect(choose(held, { side: "long", symbol: "BTCUSDT" }).map((one) => one.id)).toEqual(["p3"]);
  expect(choose(held, { account: "other" })).toEqual([]);
});
