/** The chart of one signal: the prices that were seen, with entry, stop loss, take profit and fills. */
import {
  ColorType,
  createChart,
  createSeriesMarkers,
  LineSeries,
  LineStyle,
  LineType,
  type Time,
  type UTCTimestamp,
} from "lightweight-charts";
import { useEffect, useMemo, useRef } from "react";
import { useTheme } from "../app/theme.ts";
import { formatMoment } from "../kit/moment.tsx";
import { draw, type Level } from "./levels.ts";
import type { Story } from "./story.ts";

const COLOURS: Record<Level["name"], string> = {
  "entry": "--accent",
  "stop loss": "--loss",
  "take profit": "--gain",
  "liquidation": "--warn",
};

export function SignalChart({ story }: { story: Story }) {
  const theme = useTheme();
  const place = useRef<HTMLDivElement>(null);
  const drawing = useMemo(() => draw(story), [story]);
  const digits = story.signal.initial_price.split(".")[1]?.length ?? 0;

  useEffect(() => {
    const styles = getComputedStyle(document.documentElement);
    const colour = (token: string) => styles.getPropertyValue(token).trim();
    const moment = (time: Time) => formatMoment(new Date(Number(time) * 1000));
    const chart = createChart(place.current!, {
      autoSize: true,
      layout: {
        background: { type: ColorType.Solid, color: colour("--raised") },
        textColor: colour("--quiet"),
        fontFamily: styles.getPropertyValue("--font"),
      },
      grid: { vertLines: { color: colour("--line") }, horzLines: { color: colour("--line") } },
      localization: { timeFormatter: moment },
      timeScale: { timeVisible: true, secondsVisible: false, tickMarkFormatter: shortMoment },
      handleScroll: { vertTouchDrag: false },
    });
    const prices = chart.addSeries(LineSeries, {
      color: colour("--text"),
      lineWidth: 2,
      lineType: LineType.Simple,
      pointMarkersVisible: true,
      priceFormat: { type: "price", precision: digits, minMove: 1 / 10 ** digits },
      // Levels are part of the picture, wherever the price went.
      autoscaleInfoProvider: (
        own: () => { priceRange: { minValue: number; maxValue: number } | null } | null,
      ) => {
        const range = own()?.priceRange;
        const all = [
          ...drawing.levels.map((level) => level.price),
          ...range ? [range.minValue, range.maxValue] : [],
        ];
        return all.length === 0
          ? null
          : { priceRange: { minValue: Math.min(...all), maxValue: Math.max(...all) } };
      },
    });
    prices.setData(drawing.points.map(({ time, value }) => ({ time: time as UTCTimestamp, value })));
    for (const level of drawing.levels) {
      prices.createPriceLine({
        price: level.price,
        title: level.name,
        color: colour(COLOURS[level.name]),
        lineStyle: LineStyle.Dashed,
        lineWidth: 1,
        axisLabelVisible: true,
      });
    }
    createSeriesMarkers(
      prices,
      drawing.marks.map((mark) => ({
        time: mark.time as UTCTimestamp,
        position: mark.side === "buy" ? "belowBar" as const : "aboveBar" as const,
        shape: mark.side === "buy" ? "arrowUp" as const : "arrowDown" as const,
        color: colour(mark.side === "buy" ? "--gain" : "--loss"),
        text: mark.text,
      })),
    );
    chart.timeScale().fitContent();
    return () => chart.remove();
  }, [drawing, digits, theme]);

  const levels = drawing.levels.map((level) => `${level.name} ${level.price}`).join(", ");
  return (
    <div
      ref={place}
      className="signal-chart"
      role="group"
      aria-label={`Prices of ${story.signal.symbol} as they were seen${levels && `, with ${levels}`}`}
    />
  );
}

function shortMoment(time: Time): string {
  return new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hour12: false })
    .format(new Date(Number(time) * 1000));
}
