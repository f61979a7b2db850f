/** What conditions may read. catalogue.json is written by scripts/console-catalogue from the workers' own list. */
import read from "./catalogue.json" with { type: "json" };

export interface Parameter {
  readonly name: string;
  readonly default: number;
  /** A number of candles and the like. */
  readonly whole: boolean;
  readonly lowest: number;
  readonly highest: number;
}

export interface Indicator {
  readonly name: string;
  readonly usage: string;
  /** TA-Lib's name of what computes it. */
  readonly function: string;
  readonly group: string;
  readonly title: string;
  /** What it reads; null has to be named, and `choosable` ones may be. */
  readonly inputs: readonly { readonly default: string | null; readonly choosable: boolean }[];
  readonly parameters: readonly Parameter[];
  /** All names of what it answers. */
  readonly all_outputs: readonly string[];
  /** Which of them the bare name means; null: it has to be said. */
  readonly output: number | null;
  /** A name of our own for one output, which nothing may follow. */
  readonly own_name: boolean;
  /** How far it looks back with its defaults. */
  readonly lookback: number;
}

export interface Catalogue {
  readonly fields: readonly string[];
  readonly intervals: readonly string[];
  readonly limits: Readonly<
    Record<
      | "characters"
      | "parts"
      | "depth"
      | "indicators"
      | "indicators_within_one_another"
      | "candles_of_history"
      | "candles_ago"
      | "earlier_numbers"
      | "argument"
      | "number",
      number
    >
  >;
  readonly indicators: readonly Indicator[];
}

export const catalogue: Catalogue = read;
export const INDICATORS: ReadonlyMap<string, Indicator> = new Map(
  catalogue.indicators.map((one) => [one.name, one]),
);
