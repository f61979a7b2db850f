/** A new trader, until it fires and after. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { z } from "zod";
import { ErrorFace } from "../app/faces.tsx";
import { answer } from "../app/failure.ts";
import { Badge } from "../kit/badge.tsx";
import { Moment } from "../kit/moment.tsx";
import { Price } from "../kit/money.tsx";
import { STATUS_TONES, words } from "../kit/status.ts";
import { useLive } from "../live/live.tsx";
import { useProject } from "../session/session.tsx";
import { useTrader } from "../traders/trader.ts";

const Signal = z.object({
  id: z.string(),
  symbol: z.string(),
  status: z.enum(["new", "analyzing", "rejected", "monitoring", "ready", "in_position", "closed", "expired"]),
  outcome_code: z.string().nullable(),
  initial_price: z.string(),
  triggered_at: z.string(),
});
const SHOWN = 8;

export function Watch({ id }: { id: string }) {
  const project = useProject();
  const queries = useQueryClient();
  const trader = useTrader(id);
  const { data = [], error, refetch } = useQuery({
    queryKey: ["first-signals", id],
    queryFn: async ({ signal }) =>
      z.array(Signal).parse(answer(
        await project.from("signals").select("id,symbol,status,outcome_code,initial_price::text,triggered_at")
          .eq("trader_id", id).order("id", { ascending: false }).limit(SHOWN).abortSignal(signal),
      )),
  });
  const look = () => void queries.invalidateQueries({ queryKey: ["first-signals", id] });
  useLive("signals", { onMessage: look, onResync: look });
  if (error) return <ErrorFace error={error} retry={() => void refetch()} />;

  return (
    <section className="panel stack" aria-labelledby="watching">
      <h2 id="watching">3. Watch it fire</h2>
      {data.length === 0
        ? (
          <p role="status">
            {trader.data?.name ?? "Your trader"} is waiting for its conditions
            {trader.data && ` on candles of ${trader.data.interval}`}. Its first signal appears here by
            itself; you can go on meanwhile.
          </p>
        )
        : (
          <>
            <p role="status">
              {trader.data?.name ?? "Your trader"}{" "}
              fires. Each signal is analysed, watched for an entry and traded on paper; a click shows its
              whole way.
            </p>
            <ul className="first-signals">
              {data.map((one) => (
                <li key={one.id}>
                  <Link to="/signals/$id" params={{ id: one.id }}>{one.symbol}</Link>
                  <Price value={one.initial_price} />
                  <Moment value={one.triggered_at} />
                  <Badge tone={STATUS_TONES[one.status]}>{words(one.status)}</Badge>
                  <span className="quiet">{one.outcome_code && words(one.outcome_code)}</span>
                </li>
              ))}
            </ul>
          </>
        )}
      <div className="row">
        <Link to="/traders/$id/edit" params={{ id }} className="button">Change the trader</Link>
        <Link to="/traders" className="button">All traders</Link>
        <Link to="/positions" className="button">Positions</Link>
      </div>
    </section>
  );
}
