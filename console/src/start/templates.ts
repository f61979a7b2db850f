/** First traders: each fires soon, and says what it does. */
import { type Draft, EMPTY } from "../traders/draft.ts";

export interface Template {
  readonly id: string;
  readonly title: string;
  readonly says: string;
  readonly draft: Draft;
}

const BASE: Draft = {
  ...EMPTY,
  position_size_type: "fixed",
  position_size_value: "250",
  max_concurrent_positions: "2",
  stop_loss_type: "percentage",
  stop_loss_value: "1",
  take_profit_type: "percentage",
  take_profit_value: "1.5",
  monitoring_interval_seconds: "60",
  ai_analysis_limit: "100",
};

export const TEMPLATES: readonly Template[] = [
  {
    id: "turn",
    title: "Every turn upwards",
    says:
      "Fires whenever a rising candle follows a falling one: within minutes. To see how everything works.",
    draft: { ...BASE, name: "Every turn upwards", interval: "1m", conditions: ["close > open"] },
  },
  {
    id: "averages",
    title: "Fast average over slow",
    says: "Fires when the average of 9 candles rises above that of 21: some times a day on each symbol.",
    draft: {
      ...BASE,
      name: "Fast average over slow",
      interval: "5m",
      conditions: ["crosses_above(EMA(9), EMA(21))"],
    },
  },
  {
    id: "dip",
    title: "Dip below the band",
    says: "Buys what fell out of its Bollinger bands while RSI says that it was sold too far.",
    draft: {
      ...BASE,
      name: "Dip below the band",
      interval: "5m",
      conditions: ["close < BBANDS_LOWER(20, 2)", "RSI(14) < 35"],
    },
  },
  {
    id: "breakout",
    title: "Breakout of four hours",
    says: "Fires when the price leaves the range of the last 16 candles with more volume than usual.",
    draft: {
      ...BASE,
      name: "Breakout of four hours",
      interval: "15m",
      conditions: ["close > HIGHEST(high, 16)[1]", "volume > 1.5 * SMA(volume, 20)"],
      stop_loss_type: "atr",
      stop_loss_value: "2",
      take_profit_type: "atr",
      take_profit_value: "4",
    },
  },
];
