/** What a series of buckets amounts to, with exact decimals: equity, drawdown, totals, and two periods compared. */
import Decimal from "decimal.js";

/** One bucket as the database tells it; money is text. */
export interface Bucket {
  readonly bucket_start: string;
  readonly bucket_end: string;
  readonly signals: number;
  readonly traded: number;
  readonly rejected: number;
  readonly expired: number;
  readonly trades: number;
  readonly wins: number;
  readonly realized_pnl: string;
}

export interface Point extends Bucket {
  /** Profit since the beginning of the series. */
  readonly equity: string;
  /** How far the equity is below its best; the series begins at nothing, which counts as a best. */
  readonly drawdown: string;
}

export interface Totals {
  readonly signals: number;
  readonly traded: number;
  readonly rejected: number;
  readonly expired: number;
  readonly trades: number;
  readonly wins: number;
  readonly winRate: string | null;
  readonly pnl: string;
  readonly maxDrawdown: string;
}

export function toPoints(buckets: readonly Bucket[]): Point[] {
  let equity = new Decimal(0);
  let best = equity;
  return buckets.map((bucket) => {
    equity = plus(equity, bucket.realized_pnl);
    best = Decimal.max(best, equity);
    return { ...bucket, equity: equity.toFixed(), drawdown: plus(best, equity.neg()).toFixed() };
  });
}

export function toTotals(points: readonly Point[]): Totals {
  const sum = (of: (point: Point) => number) => points.reduce((all, point) => all + of(point), 0);
  const trades = sum((one) => one.trades);
  const wins = sum((one) => one.wins);
  return {
    signals: sum((one) => one.signals),
    traded: sum((one) => one.traded),
    rejected: sum((one) => one.rejected),
    expired: sum((one) => one.expired),
    trades,
    wins,
    winRate: rate(wins, trades),
    pnl: points.at(-1)?.equity ?? "0",
    maxDrawdown: Decimal.max(0, ...points.map((one) => one.drawdown)).toFixed(),
  };
}

export interface Change {
  readonly name: string;
  readonly kind: "count" | "percent" | "money";
  readonly now: string | null;
  readonly before: string | null;
  readonly difference: string | null;
}

const COMPARED = [
  ["Signals", "count", "signals"],
  ["Traded", "count", "traded"],
  ["Trades closed", "count", "trades"],
  ["Won", "count", "wins"],
  ["Win rate", "percent", "winRate"],
  ["Profit", "money", "pnl"],
  ["Deepest fall", "money", "maxDrawdown"],
] as const;

/** This period against the one before: each figure and its difference. Of rates the difference is in points. */
export function compare(now: Totals, before: Totals): Change[] {
  return COMPARED.map(([name, kind, key]) => {
    const [one, other] = [now[key], before[key]];
    const difference = one === null || other === null
      ? null
      : plus(new Decimal(one), new Decimal(other).neg()).toFixed();
    return { name, kind, now: text(one), before: text(other), difference };
  });
}

/** A part of a whole in percent with one decimal, half to even; null of nothing. */
export function rate(part: number, whole: number): string | null {
  return whole === 0 ? null : new Decimal(part).times(100).div(whole).toFixed(1, Decimal.ROUND_HALF_EVEN);
}

function text(value: string | number | null): string | null {
  return value === null ? null : String(value);
}

// decimal.js rounds results to its precision of 20 digits; sums of money are exact, so they get as many as they need.
const Exact = Decimal.clone({ precision: 200 });
function plus(one: Decimal.Value, other: Decimal.Value): Decimal {
  return new Exact(one).plus(new Exact(other));
}
