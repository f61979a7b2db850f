import { expect, test } from "vitest";
import { holdings, type Share } from "./shares.ts";

const now = Date.parse("2026-11-22T07:00:00Z");
function share(
  number: number,
  machine: string | null,
  until: string | null,
  mark: number | null = null,
): Share {
  return {
    venue: "binance",
    market: "usdm",
    share: number,
    machine_id: machine,
    leased_until: until,
    evaluated_to: mark,
  };
}

test("shares are gathered by who holds them now, with runs as such", () => {
  const later = "2026-11-22T07:00:05Z";
  const found = holdings(
    [
      share(0, "a", later, 30),
      share(1, "a", later, 10),
      share(2, "b", later),
      share(3, "a", later),
      share(4, "a", "2026-11-22T06:59:59Z"),
      share(5, null, null),
    ],
    now,
  );
  expect(found).toEqual([
    { venue: "binance", market: "usdm", machine: "a", shares: "0-1 3", count: 3, evaluatedTo: 10 },
    { venue: "binance", market: "usdm", machine: "b", shares: "2", count: 1, evaluatedTo: null },
    { venue: "binance", market: "usdm", machine: null, shares: "4-5", count: 2, evaluatedTo: null },
  ]);
});
