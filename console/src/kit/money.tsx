/** Money and prices: exact decimals as text from the database to the screen, never through a float. */
import Decimal from "decimal.js";

const MINUS = "\u2212";

/** Digits grouped by thousands, exact. places: rounds half to even; without it every digit stays. */
export function formatDecimal(text: string, places?: number): string {
  const value = new Decimal(text);
  const fixed = places === undefined ? value.toFixed() : value.toFixed(places, Decimal.ROUND_HALF_EVEN);
  const [whole = "0", fraction] = fixed.replace("-", "").split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, "\u202f");
  const sign = fixed.startsWith("-") && /[1-9]/.test(fixed) ? MINUS : "";
  return sign + grouped + (fraction === undefined ? "" : `.${fraction}`);
}

/** An amount of money; the exact figure is told on hover. Profit is coloured, and its sign is written: colour alone says nothing. */
export function Money(
  { value, places = 2, signed = false, unit }: {
    value: string | null | undefined;
    places?: number;
    signed?: boolean;
    unit?: string;
  },
) {
  if (value === null || value === undefined) return <span className="number quiet">–</span>;
  const amount = new Decimal(value);
  const tone = !signed || amount.isZero() ? "" : amount.isNegative() ? "loss" : "gain";
  const plus = signed && amount.gt(0) ? "+" : "";
  return (
    <span className={`number ${tone}`} title={`${formatDecimal(value)}${unit ? ` ${unit}` : ""}`}>
      {plus}
      {formatDecimal(value, places)}
      {unit && <small>{` ${unit}`}</small>}
    </span>
  );
}

/** A price with the digits that it came with. */
export function Price({ value }: { value: string | null | undefined }) {
  if (value === null || value === undefined) return <span className="number quiet">–</span>;
  return <span className="number">{formatDecimal(value)}</span>;
}
