/** Profit and distances of what is held: exact decimals in, exact decimals out. */
import Decimal from "decimal.js";
import { quoteOf } from "../signal/why.ts";
import type { Holding } from "./holdings.ts";

// The usual twenty digits would round a product of two long ones.
const Exact = Decimal.clone({ precision: 100 });

/** What a position would win or lose now, before the fees of its exit; null while its price is not known. */
export function unrealized(one: Pick<Holding, "side" | "amount" | "entry_average" | "price">): string | null {
  if (one.price === null || one.entry_average === null) return null;
  const moved = new Exact(one.price).minus(one.entry_average).times(one.amount);
  return (one.side === "long" ? moved : moved.neg()).toFixed();
}

/** What it won and paid so far and what it would win now. */
export function total(
  one: Pick<Holding, "side" | "amount" | "entry_average" | "price" | "realized_pnl">,
): string | null {
  const open = unrealized(one);
  return open === null ? null : new Exact(open).plus(one.realized_pnl).toFixed();
}

/** How far the price is from a level that lies against the position, in percent of the price; below zero once it passed. */
export function distance(side: "long" | "short", price: string | null, level: string | null): string | null {
  if (price === null || level === null || new Exact(price).isZero()) return null;
  const room = new Exact(price).minus(level);
  return (side === "long" ? room : room.neg()).times(100).div(price).toDecimalPlaces(8).toFixed();
}

/** How far it is to a level that lies with the position, such as its take profit. */
export function reach(side: "long" | "short", price: string | null, level: string | null): string | null {
  return distance(side === "long" ? "short" : "long", price, level);
}

/** What is won and lost in each quote currency: sums of unlike money are none. `unpriced` are those without a price. */
export function totals(
  holdings: readonly Holding[],
): { currency: string; pnl: string; positions: number; unpriced: number }[] {
  const sums = new Map<string, { pnl: Decimal; positions: number; unpriced: number }>();
  for (const one of holdings) {
    const currency = quoteOf(one.normalised_symbol);
    const sum = sums.get(currency) ?? { pnl: new Exact(0), positions: 0, unpriced: 0 };
    const pnl = total(one);
    sums.set(currency, {
      pnl: sum.pnl.plus(pnl ?? 0),
      positions: sum.positions + 1,
      unpriced: sum.unpriced + (pnl === null ? 1 : 0),
    });
  }
  return [...sums].map(([currency, sum]) => ({ ...sum, currency, pnl: sum.pnl.toFixed() }))
    .sort((a, b) => a.currency < b.currency ? -1 : 1);
}
