/** How well signals were carried out: slippage by symbol, and how long each step took. */
import { useQuery } from "@tanstack/react-query";
import { Empty, ErrorFace, Loading } from "../app/faces.tsx";
import { formatDecimal, Money } from "../kit/money.tsx";
import { Scroller } from "../kit/scroller.tsx";
import { words } from "../kit/status.ts";
import { useProject } from "../session/session.tsx";
import { percent } from "./breakdown.tsx";
import type { Period } from "./period.ts";
import { latencyQuery, slippageQuery } from "./queries.ts";

export function Slippage({ span }: { span: Period }) {
  const rows = useQuery(slippageQuery(useProject(), span));
  return (
    <section className="panel stack" aria-labelledby="slippage">
      <h2 id="slippage">Slippage of entries</h2>
      {rows.isPending
        ? <Loading what="slippage" />
        : rows.isError
        ? <ErrorFace error={rows.error} retry={() => void rows.refetch()} />
        : rows.data.length === 0
        ? <Empty title="No entry was ordered in this time." />
        : (
          <Scroller label="Slippage by symbol">
            <table className="grid" data-testid="slippage">
              <thead>
                <tr>
                  <th scope="col">Symbol</th>
                  <th scope="col" className="figure">Entries</th>
                  <th scope="col" className="figure">Filled</th>
                  <th scope="col" className="figure">Average</th>
                  <th scope="col" className="figure">95 of 100 below</th>
                  <th scope="col" className="figure">Worst</th>
                  <th scope="col" className="figure">Cost</th>
                </tr>
              </thead>
              <tbody>
                {rows.data.map((one) => (
                  <tr key={one.symbol ?? ""}>
                    <th scope="row">{one.symbol ?? <b>All</b>}</th>
                    <td className="figure number">{one.entries}</td>
                    <td className="figure number">{percent(one.fill_rate)}</td>
                    <td className="figure number">{points(one.average_bps)}</td>
                    <td className="figure number">{points(one.p95_bps)}</td>
                    <td className="figure number">{points(one.worst_bps)}</td>
                    <td className="figure">
                      <Money value={one.cost} places={4} />
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Scroller>
        )}
      <p className="quiet">
        What entries cost more than planned, in basis points of the planned entry: positive is worse.
      </p>
    </section>
  );
}

export function Latency({ span }: { span: Period }) {
  const rows = useQuery(latencyQuery(useProject(), span));
  return (
    <section className="panel stack" aria-labelledby="latency">
      <h2 id="latency">How long each step took</h2>
      {rows.isPending
        ? <Loading what="latencies" />
        : rows.isError
        ? <ErrorFace error={rows.error} retry={() => void rows.refetch()} />
        : rows.data.length === 0
        ? <Empty title="No signal took a step in this time." />
        : (
          <Scroller label="Latency by step">
            <table className="grid" data-testid="latency">
              <thead>
                <tr>
                  <th scope="col">Step</th>
                  <th scope="col" className="figure">Signals</th>
                  <th scope="col" className="figure">Market, median</th>
                  <th scope="col" className="figure">Market, p95</th>
                  <th scope="col" className="figure">Machines, median</th>
                  <th scope="col" className="figure">Machines, p95</th>
                </tr>
              </thead>
              <tbody>
                {rows.data.map((one) => (
                  <tr key={`${one.from_status} ${one.to_status}`}>
                    <th scope="row">{words(one.from_status)} → {words(one.to_status)}</th>
                    <td className="figure number">{one.signals}</td>
                    <td className="figure number">{seconds(one.market_p50)}</td>
                    <td className="figure number">{seconds(one.market_p95)}</td>
                    <td className="figure number">{seconds(one.database_p50)}</td>
                    <td className="figure number">{seconds(one.database_p95)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Scroller>
        )}
      <p className="quiet">
        Of the latest 10 000 signals of these days. The market's time is the one that strategies see; the
        machines' is what passed between the two records.
      </p>
    </section>
  );
}

function points(value: string | null): string {
  return value === null ? "–" : `${formatDecimal(value, 2)} bp`;
}

function seconds(value: string | null): string {
  return value === null ? "–" : `${formatDecimal(value, 3)} s`;
}
