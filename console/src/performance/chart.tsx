/** Equity and drawdown as curves; whoever cannot see them opens the table below. */
import {
  AreaSeries,
  createChart,
  type IChartApi,
  type ISeriesApi,
  LineSeries,
  type Time,
  type UTCTimestamp,
} from "lightweight-charts";
import { useEffect, useRef } from "react";
import { useTheme } from "../app/theme.ts";
import { formatDecimal } from "../kit/money.tsx";
import type { Point } from "./series.ts";

interface Props {
  readonly points: readonly Point[];
  readonly zone: string;
  readonly label: string;
}

interface Drawn {
  readonly chart: IChartApi;
  readonly equity: ISeriesApi<"Area">;
  readonly fall: ISeriesApi<"Line">;
}

export function EquityChart({ points, zone, label }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const drawn = useRef<Drawn | null>(null);
  const theme = useTheme();

  useEffect(() => {
    const made = draw(place.current!, zone);
    drawn.current = made;
    return () => {
      drawn.current = null;
      made.chart.remove();
    };
  }, [zone, theme]);

  useEffect(() => {
    if (!drawn.current) return;
    const { chart, equity, fall } = drawn.current;
    // A pixel is as exact as a float: the figures themselves stand in the table.
    const of = (value: (point: Point) => string) =>
      points.map((one) => ({ time: seconds(one.bucket_end), value: Number(value(one)) }));
    equity.setData(of((one) => one.equity));
    fall.setData(of((one) => `-${one.drawdown}`));
    chart.timeScale().fitContent();
  }, [points, zone, theme]);

  return (
    <figure className="chart">
      <div ref={place} role="img" aria-label={label} className="chart-place" />
      <figcaption className="quiet">
        Profit summed up, and below it how far that is below its best. The figures stand in the table.
      </figcaption>
    </figure>
  );
}

function draw(place: HTMLElement, zone: string): Drawn {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const chart = createChart(place, {
    autoSize: true,
    layout: {
      background: { color: colour("--ground") },
      textColor: colour("--quiet"),
      fontFamily: style.getPropertyValue("--font"),
      attributionLogo: false,
      panes: { separatorColor: colour("--line"), enableResize: false },
    },
    grid: { vertLines: { visible: false }, horzLines: { color: colour("--line") } },
    rightPriceScale: { borderColor: colour("--line") },
    timeScale: {
      borderColor: colour("--line"),
      timeVisible: true,
      tickMarkFormatter: (time: Time) => local(time, zone, { month: "short", day: "numeric" }),
    },
    localization: {
      timeFormatter: (time: Time) => local(time, zone, { dateStyle: "medium", timeStyle: "short" }),
      priceFormatter: (value: number) => formatDecimal(value.toFixed(10), 2),
    },
    // The page scrolls below a finger, not the chart.
    handleScroll: false,
    handleScale: false,
  });
  const equity = chart.addSeries(AreaSeries, {
    lineColor: colour("--accent"),
    topColor: `color-mix(in srgb, ${colour("--accent")} 35%, transparent)`,
    bottomColor: "transparent",
    lineWidth: 2,
    priceLineVisible: false,
  });
  const fall = chart.addSeries(
    LineSeries,
    { color: colour("--loss"), lineWidth: 2, priceLineVisible: false },
    1,
  );
  chart.panes()[0]?.setStretchFactor(3);
  chart.panes()[1]?.setStretchFactor(1);
  return { chart, equity, fall };
}

function seconds(moment: string): UTCTimestamp {
  return Math.floor(Date.parse(moment) / 1000) as UTCTimestamp;
}

function local(time: Time, zone: string, options: Intl.DateTimeFormatOptions): string {
  return new Intl.DateTimeFormat(undefined, { timeZone: zone, ...options }).format(Number(time) * 1000);
}
