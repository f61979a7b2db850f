/** How far signals came: from fired over approved and traded to won, with the rate of each step. */
import { useQuery } from "@tanstack/react-query";
import { ErrorFace, Loading } from "../app/faces.tsx";
import { Scroller } from "../kit/scroller.tsx";
import { useProject } from "../session/session.tsx";
import type { Period } from "./period.ts";
import { funnelQuery } from "./queries.ts";
import { rate } from "./series.ts";

export function Funnel({ span }: { span: Period }) {
  const rows = useQuery(funnelQuery(useProject(), span));
  if (rows.isPending) return <Loading what="the funnel" />;
  if (rows.isError) return <ErrorFace error={rows.error} retry={() => void rows.refetch()} />;
  const sum = (name: "signals" | "approved" | "rejected" | "expired" | "traded" | "trades" | "wins") =>
    rows.data.reduce((all, one) => all + one[name], 0);
  const steps = [
    { name: "Fired", count: sum("signals"), of: null },
    { name: "Approved by the analysis", count: sum("approved"), of: sum("signals") },
    { name: "Traded", count: sum("traded"), of: sum("approved") },
    { name: "Trades that closed on these days", count: sum("trades"), of: null },
    { name: "Closed with a profit", count: sum("wins"), of: sum("trades") },
  ];
  const most = Math.max(1, ...steps.map((one) => one.count));
  return (
    <section className="panel stack" aria-labelledby="funnel">
      <h2 id="funnel">Funnel</h2>
      <Scroller label="Funnel, step by step">
        <table className="grid funnel" data-testid="funnel">
          <thead>
            <tr>
              <th scope="col">Step</th>
              <th scope="col" className="figure">Signals</th>
              <th scope="col" className="figure">Of the step before</th>
              <td />
            </tr>
          </thead>
          <tbody>
            {steps.map((one) => (
              <tr key={one.name}>
                <th scope="row">{one.name}</th>
                <td className="figure number">{one.count}</td>
                <td className="figure number">{one.of === null ? "" : told(rate(one.count, one.of))}</td>
                <td className="bar">
                  <span style={{ width: `${(100 * one.count) / most}%` }} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroller>
      <p className="quiet">
        {`Rejected ${sum("rejected")} (${told(rate(sum("rejected"), sum("signals")))}), expired ${
          sum("expired")
        } (${told(rate(sum("expired"), sum("signals")))}). On UTC days, at most a minute behind.`}
      </p>
    </section>
  );
}

function told(value: string | null): string {
  return value === null ? "–" : `${value} %`;
}
