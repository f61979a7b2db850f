import { expect, test } from "vitest";
import { draw } from "./levels.ts";
import { concerns } from "./live.ts";
import { tellExecution, tellPosition, tellSnapshot, tellStory } from "./sample.ts";
import { parseAddress } from "./story.ts";

const ID = "01969abd-0100-8f88-9fdc-4d5691d7003c";

test("an address is an id, a human name, or neither", () => {
  expect(parseAddress(ID.toUpperCase())).toEqual({ id: ID });
  expect(parseAddress("ETHUSDT-1746352800000")).toEqual({
    symbol: "ETHUSDT",
    from: "01969abd-0100-0000-0000-000000000000",
    to: "01969abd-0100-ffff-ffff-ffffffffffff",
  });
  for (
    const wrong of ["", "ETHUSDT", "1746352800000", "ETHUSDT-", "ETHUSDT-999999999999999", `${ID}0`, "../x"]
  ) {
    expect(parseAddress(wrong)).toBeNull();
  }
});

test("a name's bounds hold the ids of its millisecond and no others", () => {
  const { from, to } = parseAddress("ETHUSDT-1746352800000") as { from: string; to: string };
  expect(from < ID && ID < to).toBe(true);
  expect(to < "01969abd-0101-8000-8000-000000000000").toBe(true);
});

test("a message is about a signal by its range or its rows; one that was cut may be about any", () => {
  expect(concerns({ count: 2, from_id: "01969abd-0000", to_id: "01969abe-0000", rows: [] }, ID)).toBe(true);
  expect(concerns({ count: 2, from_id: "01969abe-0000", to_id: "01969abf-0000", rows: [] }, ID)).toBe(false);
  expect(concerns({ count: 1, orders: [{ signal_id: ID }], positions: [] }, ID)).toBe(true);
  expect(concerns({ count: 1, orders: [{ signal_id: "other" }], positions: [] }, ID)).toBe(false);
  expect(concerns({ count: 90, orders: [{ signal_id: "other" }], positions: [] }, ID)).toBe(true);
  expect(concerns("noise", ID)).toBe(true);
});

test("a chart's times ascend, each once, and the last price of a second counts", () => {
  const drawing = draw(tellStory({}, {
    snapshots: [
      tellSnapshot(2, { occurred_at: "2025-05-04T10:02:00.900Z", price: "103" }),
      tellSnapshot(1, { occurred_at: "2025-05-04T10:02:00.100Z", price: "102" }),
      tellSnapshot(3, { occurred_at: "2025-05-04T10:03:00Z", price: "104" }),
    ],
    executions: [tellExecution({ executed_at: "2025-05-04T10:04:00Z", price: "105" })],
    positions: [tellPosition({ stop_loss: "99", take_profit: null })],
  }));
  expect(drawing.points.map((point) => point.value)).toEqual([100, 103, 104, 105]);
  for (const [n, point] of drawing.points.entries()) {
    if (n > 0) expect(point.time).toBeGreaterThan(drawing.points[n - 1]!.time);
  }
  expect(drawing.levels).toEqual([
    { name: "entry", price: 100 },
    { name: "stop loss", price: 99 },
    { name: "take profit", price: 104 },
  ]);
  expect(drawing.marks).toHaveLength(1);
});
