/**
 * How far an indicator looks back with its arguments, as TA-Lib computes it: what needs more history than is kept is
 * refused before it is saved. tests/vectors/conditions.json has conditions on both sides of the limit for each of them.
 */
import { type Indicator, INDICATORS } from "./catalogue.ts";

export type Arguments = Readonly<Record<string, number>>;

/** Of a moving average of this kind over n candles. */
function average(n: number, kind: number): number {
  if (n <= 1) return 0;
  switch (kind) {
    case 3: // DEMA
      return 2 * (n - 1);
    case 4: // TEMA
      return 3 * (n - 1);
    case 6: // KAMA
      return n;
    case 7: // MAMA
      return 32;
    case 8: // T3
      return 6 * (n - 1);
    case 9: // HMA
      return n - 2 + Math.floor(Math.sqrt(n));
    case 10: // VWAP
      return 0;
    case 12: // ZLEMA
      return n - 1 + Math.floor((n - 1) / 2);
    default:
      return n - 1;
  }
}

/** For each candle more of its period, where that is not one. */
const SLOPES: Readonly<Record<string, number>> = { ADX: 2, ADXR: 3, TRIX: 3, DEMA: 2, T3: 6, TEMA: 3 };

const slower = (a: Arguments) => Math.max(a["fastperiod"]!, a["slowperiod"]!);
const ofAverages = (a: Arguments) => average(slower(a), a["matype"]!);
const stochastic = (a: Arguments) =>
  a["fastk_period"]! - 1 + average(a["slowk_period"]!, a["slowk_matype"]!) +
  average(a["slowd_period"]!, a["slowd_matype"]!);
const directional = (a: Arguments) => Math.max(a["timeperiod"]! - 1, 1);
const signalled = (a: Arguments) => slower(a) - 1 + a["signalperiod"]! - 1;

const LOOKBACKS: Readonly<Record<string, (a: Arguments) => number>> = {
  AC: signalled,
  AO: (a) => slower(a) - 1,
  ADOSC: (a) => slower(a) - 1,
  APO: ofAverages,
  PPO: ofAverages,
  PVO: ofAverages,
  BBANDS: (a) => Math.max(a["timeperiod"]! - 1, average(a["timeperiod"]!, a["matype"]!)),
  COPPOCK: (a) => Math.max(a["roc1period"]!, a["roc2period"]!) + a["wmaperiod"]! - 1,
  CVI: (a) => a["timeperiod"]! - 1 + a["rocperiod"]!,
  DPO: (a) => Math.max(a["timeperiod"]! - 1, Math.floor(a["timeperiod"]! / 2) + 1),
  FRACTAL: (a) => a["leftbars"]! + a["rightbars"]!,
  HMA: (a) => average(a["timeperiod"]!, 9),
  KAMA: (a) => average(a["timeperiod"]!, 6),
  KC: (a) => Math.max(a["timeperiod"]! - 1, a["atrperiod"]!),
  KDJ: stochastic,
  MA: (a) => average(a["timeperiod"]!, a["matype"]!),
  MACD: signalled,
  MACDEXT: (a) =>
    Math.max(average(a["fastperiod"]!, a["fastmatype"]!), average(a["slowperiod"]!, a["slowmatype"]!)) +
    average(a["signalperiod"]!, a["signalmatype"]!),
  MASSI: (a) => 2 * (a["fastperiod"]! - 1) + a["slowperiod"]! - 1,
  MAVP: (a) => average(a["maxperiod"]!, a["matype"]!),
  MINUS_DM: directional,
  PLUS_DM: directional,
  RVI: (a) => a["stddevperiod"]! - 1 + a["timeperiod"]! - 1,
  SMI: (a) => a["timeperiod"]! + a["fastperiod"]! + a["slowperiod"]! + a["signalperiod"]! - 4,
  STOCH: stochastic,
  STOCHF: (a) => a["fastk_period"]! - 1 + average(a["fastd_period"]!, a["fastd_matype"]!),
  STOCHRSI: (a) =>
    a["timeperiod"]! + a["fastk_period"]! - 1 + average(a["fastd_period"]!, a["fastd_matype"]!),
  TSI: (a) => a["firstperiod"]! + a["secondperiod"]! - 1,
  ULTOSC: (a) => Math.max(a["timeperiod1"]!, a["timeperiod2"]!, a["timeperiod3"]!),
  ZLEMA: (a) => average(a["timeperiod"]!, 12),
};

/** How many candles pass before the first value of a TA-Lib function; its arguments are within their bounds. */
export function lookBack(name: string, given: Arguments): number {
  const own = LOOKBACKS[name];
  if (own) return own(given);
  const { lookback, parameters } = INDICATORS.get(name) as Indicator;
  return parameters.filter((one) => one.whole).reduce(
    (sum, one) => sum + (SLOPES[name] ?? 1) * (given[one.name]! - one.default),
    lookback,
  );
}
