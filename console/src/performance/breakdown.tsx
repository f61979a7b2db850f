/** Performance by trader, symbol, source, hour or outcome. */
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Empty, ErrorFace, Loading } from "../app/faces.tsx";
import { formatDecimal, Money } from "../kit/money.tsx";
import { Scroller } from "../kit/scroller.tsx";
import { words } from "../kit/status.ts";
import { useProject } from "../session/session.tsx";
import type { Period } from "./period.ts";
import { breakdownQuery } from "./queries.ts";
import { type Dimension, DIMENSIONS } from "./search.ts";

export const DIMENSION_WORDS: Record<Dimension, string> = {
  trader: "Trader",
  symbol: "Symbol",
  source: "Source",
  hour: "Hour (UTC)",
  outcome: "Outcome",
};

export function Breakdown(
  { span, dimension, names }: { span: Period; dimension: Dimension; names: ReadonlyMap<string, string> },
) {
  const rows = useQuery(breakdownQuery(useProject(), dimension, span));
  return (
    <section className="panel stack" aria-labelledby="breakdown">
      <h2 id="breakdown">By {DIMENSION_WORDS[dimension].toLowerCase()}</h2>
      <nav className="tabs" aria-label="Broken down by">
        {DIMENSIONS.map((one) => (
          <Link
            key={one}
            from="/performance"
            to="."
            search={(known) => ({ ...known, by: one })}
            replace
            resetScroll={false}
            aria-current={one === dimension ? "true" : undefined}
          >
            {DIMENSION_WORDS[one]}
          </Link>
        ))}
      </nav>
      {rows.isPending
        ? <Loading what="the figures" />
        : rows.isError
        ? <ErrorFace error={rows.error} retry={() => void rows.refetch()} />
        : rows.data.length === 0
        ? (
          <Empty title="Nothing on these days.">
            {dimension !== "outcome" && "These figures are brought up to date every ten minutes."}
          </Empty>
        )
        : <Table rows={rows.data} dimension={dimension} names={names} />}
      <p className="quiet">
        On UTC days: signals by when they fired, trades by when they closed.
        {dimension !== "outcome" && " Up to ten minutes behind."}
      </p>
    </section>
  );
}

type Rows = NonNullable<Awaited<ReturnType<NonNullable<ReturnType<typeof breakdownQuery>["queryFn"]>>>>;

function Table(
  { rows, dimension, names }: { rows: Rows; dimension: Dimension; names: ReadonlyMap<string, string> },
) {
  return (
    <Scroller label={`Performance by ${dimension}`}>
      <table className="grid" data-testid="breakdown">
        <thead>
          <tr>
            <th scope="col">{DIMENSION_WORDS[dimension]}</th>
            <th scope="col" className="figure">Signals</th>
            <th scope="col" className="figure">Approved</th>
            <th scope="col" className="figure">Traded</th>
            <th scope="col" className="figure">Trades</th>
            <th scope="col" className="figure">Win rate</th>
            <th scope="col" className="figure">Profit</th>
            <th scope="col" className="figure">A trade</th>
            <th scope="col" className="figure">Fees</th>
            <th scope="col" className="figure">Profit factor</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((one) => (
            <tr key={one.key}>
              <th scope="row">
                <Key dimension={dimension} value={one.key} names={names} />
              </th>
              <td className="figure number">{one.signals}</td>
              <td className="figure number">{one.approved}</td>
              <td className="figure number">{one.traded}</td>
              <td className="figure number">{one.trades}</td>
              <td className="figure number">{percent(one.win_rate)}</td>
              <td className="figure">
                <Money value={one.realized_pnl} signed />
              </td>
              <td className="figure">
                <Money value={one.average_pnl} signed />
              </td>
              <td className="figure">
                <Money value={one.fees} />
              </td>
              <td className="figure number">
                {one.profit_factor === null ? "–" : formatDecimal(one.profit_factor, 2)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroller>
  );
}

function Key(
  { dimension, value, names }: { dimension: Dimension; value: string; names: ReadonlyMap<string, string> },
) {
  if (dimension === "hour") return <span className="number">{value}:00</span>;
  if (dimension === "source") return <>{value === "local" ? "browser (local)" : value.replace(":", ", ")}</>;
  if (dimension === "outcome") return <>{words(value)}</>;
  const label = dimension === "trader" ? names.get(value) ?? "a trader that is gone" : value;
  return (
    <Link
      from="/performance"
      to="."
      search={(known) => ({ ...known, [dimension]: value })}
      resetScroll={false}
    >
      {label}
    </Link>
  );
}

/** A fraction as percent. */
export function percent(fraction: string | null): string {
  return fraction === null ? "–" : `${formatDecimal(`${fraction}e2`, 1)} %`;
}
