/** Equity over time, this period against the one before, and every figure of the chart as a table. */
import { useQuery } from "@tanstack/react-query";
import Decimal from "decimal.js";
import { useMemo } from "react";
import { ErrorFace, Loading } from "../app/faces.tsx";
import { formatDecimal, Money } from "../kit/money.tsx";
import { Scroller } from "../kit/scroller.tsx";
import { useProject } from "../session/session.tsx";
import { EquityChart } from "./chart.tsx";
import type { Period } from "./period.ts";
import { seriesQuery, type Subject } from "./queries.ts";
import { type Change, compare, type Point, toPoints, toTotals } from "./series.ts";

export function Equity(
  { now, before, zone, subject, empty }: {
    now: Period;
    before: Period;
    zone: string;
    subject: Subject;
    empty: React.ReactNode;
  },
) {
  const project = useProject();
  const series = useQuery(seriesQuery(project, now, zone, subject));
  const earlier = useQuery(seriesQuery(project, before, zone, subject));
  const points = useMemo(() => toPoints(series.data ?? []), [series.data]);
  const totals = useMemo(() => toTotals(points), [points]);
  const changes = useMemo(() => compare(totals, toTotals(toPoints(earlier.data ?? []))), [
    totals,
    earlier.data,
  ]);

  const failed = series.error ?? earlier.error;
  if (failed) {
    return (
      <ErrorFace
        error={failed}
        retry={() => {
          void series.refetch();
          void earlier.refetch();
        }}
      />
    );
  }
  if (series.isPending || earlier.isPending) return <Loading what="profit over time" />;
  return (
    <>
      {totals.signals === 0 && totals.trades === 0 && empty}
      <section className="panel stack" aria-labelledby="compared">
        <h2 id="compared">Against the period before</h2>
        <Comparison changes={changes} />
      </section>
      <section className="panel stack" aria-labelledby="equity">
        <h2 id="equity">Equity and drawdown</h2>
        <EquityChart
          points={points}
          zone={zone}
          label={`Profit ${totals.pnl} in ${totals.trades} trades, deepest fall ${totals.maxDrawdown}. The figures follow as a table.`}
        />
        <details>
          <summary>Figures of the chart</summary>
          <Scroller label="Profit over time">
            <Table points={points} zone={zone} />
          </Scroller>
        </details>
      </section>
    </>
  );
}

function Comparison({ changes }: { changes: readonly Change[] }) {
  return (
    <Scroller label="This period against the one before">
      <table className="grid" data-testid="compared">
        <thead>
          <tr>
            <th scope="col">Figure</th>
            <th scope="col" className="figure">Now</th>
            <th scope="col" className="figure">Before</th>
            <th scope="col" className="figure">Difference</th>
          </tr>
        </thead>
        <tbody>
          {changes.map((one) => (
            <tr key={one.name}>
              <th scope="row">{one.name}</th>
              <td className="figure">
                <Shown change={one} value={one.now} />
              </td>
              <td className="figure">
                <Shown change={one} value={one.before} />
              </td>
              <td className="figure">
                <Shown change={one} value={one.difference} signed />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroller>
  );
}

function Shown(
  { change, value, signed = false }: { change: Change; value: string | null; signed?: boolean },
) {
  if (value === null) return <span className="quiet">–</span>;
  // A deeper fall is no gain: only profit has the colours of one.
  if (change.kind === "money" && change.name === "Profit") return <Money value={value} signed />;
  const plus = signed && new Decimal(value).gt(0) ? "+" : "";
  const places = change.kind === "money" ? 2 : change.kind === "percent" ? 1 : 0;
  const unit = change.kind === "percent" ? (signed ? " points" : " %") : "";
  return <span className="number">{`${plus}${formatDecimal(value, places)}${unit}`}</span>;
}

function Table({ points, zone }: { points: readonly Point[]; zone: string }) {
  const format = new Intl.DateTimeFormat(undefined, {
    timeZone: zone,
    dateStyle: "medium",
    timeStyle: "short",
  });
  return (
    <table className="grid">
      <thead>
        <tr>
          <th scope="col">From</th>
          <th scope="col" className="figure">Signals</th>
          <th scope="col" className="figure">Traded</th>
          <th scope="col" className="figure">Trades closed</th>
          <th scope="col" className="figure">Profit</th>
          <th scope="col" className="figure">Equity</th>
          <th scope="col" className="figure">Below best</th>
        </tr>
      </thead>
      <tbody>
        {points.map((one) => (
          <tr key={one.bucket_start}>
            <th scope="row" className="number">{format.format(Date.parse(one.bucket_start))}</th>
            <td className="figure number">{one.signals}</td>
            <td className="figure number">{one.traded}</td>
            <td className="figure number">{one.trades}</td>
            <td className="figure">
              <Money value={one.realized_pnl} signed places={4} />
            </td>
            <td className="figure">
              <Money value={one.equity} signed places={4} />
            </td>
            <td className="figure">
              <Money value={one.drawdown} places={4} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
