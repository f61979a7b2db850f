/** A curve over time. Exact figures become pixels here, and nowhere else. */
import {
  AreaSeries,
  ColorType,
  createChart,
  LineType,
  type Time,
  type UTCTimestamp,
} from "lightweight-charts";
import { useEffect, useRef } from "react";
import { useTheme } from "../app/theme.ts";
import { formatMoment } from "../kit/moment.tsx";

interface Props {
  /** What it shows, for who does not see it. */
  readonly label: string;
  readonly points: readonly { readonly at: string; readonly value: string }[];
  /** Which token colours it. */
  readonly colour?: "--accent" | "--loss";
}

export function Curve({ label, points, colour = "--accent" }: Props) {
  const theme = useTheme();
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const styles = getComputedStyle(document.documentElement);
    const token = (name: string) => styles.getPropertyValue(name).trim();
    const chart = createChart(place.current!, {
      autoSize: true,
      layout: {
        background: { type: ColorType.Solid, color: token("--raised") },
        textColor: token("--quiet"),
        fontFamily: styles.getPropertyValue("--font"),
      },
      grid: { vertLines: { color: token("--line") }, horzLines: { color: token("--line") } },
      localization: { timeFormatter: (time: Time) => formatMoment(new Date(Number(time) * 1000)) },
      timeScale: { timeVisible: true, secondsVisible: false },
      handleScroll: { vertTouchDrag: false },
    });
    const series = chart.addSeries(AreaSeries, {
      lineColor: token(colour),
      topColor: `${token(colour)}40`,
      bottomColor: `${token(colour)}05`,
      lineWidth: 2,
      lineType: LineType.Simple,
    });
    series.setData(points.map(({ at, value }) => ({
      time: Math.floor(Date.parse(at) / 1000) as UTCTimestamp,
      value: Number(value),
    })));
    chart.timeScale().fitContent();
    return () => chart.remove();
  }, [points, colour, theme]);
  return <div ref={place} className="curve" role="img" aria-label={label} />;
}
