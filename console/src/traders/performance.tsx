/** What one trader was worth: figures, how far its signals came, and the curve of its profit. */
import { useQuery } from "@tanstack/react-query";
import { z } from "zod";
import { ErrorFace, Loading } from "../app/faces.tsx";
import { answer } from "../app/failure.ts";
import { Figure, Figures as FigureList } from "../kit/figures.tsx";
import { formatDecimal, Money } from "../kit/money.tsx";
import { Moment } from "../kit/moment.tsx";
import { useProject } from "../session/session.tsx";
import { Curve } from "./curve.tsx";
import { formatShare } from "./share.ts";

const Exact = z.string().nullable();
const MONEY = [
  "win_rate",
  "realized_pnl",
  "fees",
  "profit_factor",
  "average_win",
  "average_loss",
  "best_trade",
  "worst_trade",
  "average_r",
  "max_drawdown",
] as const;
const COUNTS = [
  "signals",
  "approved",
  "rejected",
  "expired",
  "traded",
  "trades",
  "wins",
  "losses",
  "open_positions",
] as const;
type Named<K extends readonly string[], T> = Record<K[number], T>;
const shape = <K extends readonly string[], T extends z.ZodType>(names: K, type: T) =>
  Object.fromEntries(names.map((one) => [one, type])) as Named<K, T>;
const Figures = z.object({ ...shape(MONEY, Exact), ...shape(COUNTS, z.number()) });

const Point = z.object({ bucket_end: z.string(), cumulative_pnl: z.string() });

/** The end of the range is the coming hour, so that looking again asks the same question. */
export function rangeOf(days: number, now: number): { from: string; to: string; bucket: string } {
  const hour = 3_600_000;
  const to = Math.ceil(now / hour) * hour;
  const bucket = days <= 2 ? "15 minutes" : days <= 31 ? "6 hours" : "1 day";
  return { from: new Date(to - days * 24 * hour).toISOString(), to: new Date(to).toISOString(), bucket };
}

export function Performance({ id, days }: { id: string; days: number }) {
  const project = useProject();
  const latest = useQuery({
    queryKey: ["latest-of-trader", id],
    queryFn: async ({ signal }) => {
      const rows = answer(
        await project.from("signals").select("triggered_at").eq("trader_id", id).order("id", {
          ascending: false,
        })
          .limit(1).abortSignal(signal),
      );
      return rows[0] ? Date.parse(rows[0].triggered_at) : null;
    },
  });
  if (latest.error) return <ErrorFace error={latest.error} retry={() => void latest.refetch()} />;
  if (latest.data === undefined) return <Loading what="its figures" />;
  // Whose market is a recorded one, or who rests: its last days are told, rather than nothing.
  const rests = latest.data !== null && latest.data < Date.now() - days * 86_400_000;
  return (
    <>
      {rests && (
        <p role="status" className="quiet">
          It has not fired for {days === 1 ? "a day" : `${days} days`}: this is up to its latest signal,{" "}
          <Moment value={new Date(latest.data!).toISOString()} />.
        </p>
      )}
      <Range id={id} days={days} until={rests ? latest.data! : Date.now()} />
    </>
  );
}

function Range({ id, days, until }: { id: string; days: number; until: number }) {
  const project = useProject();
  const { from, to, bucket } = rangeOf(days, until);
  const figures = useQuery({
    queryKey: ["trader-performance", id, from, to],
    queryFn: async ({ signal }) => {
      const columns = [...MONEY.map((one) => `${one}::text`), ...COUNTS].join(",");
      const rows: unknown = answer(
        await project.rpc("trader_performance", { trader_id: id, from_time: from, to_time: to })
          .select(columns).abortSignal(signal),
      );
      return z.array(Figures).parse(rows)[0] ?? null;
    },
  });
  const series = useQuery({
    queryKey: ["trader-series", id, from, to],
    queryFn: async ({ signal }) =>
      z.array(Point).parse(answer(
        await project.rpc("signal_series", { trader_id: id, from_time: from, to_time: to, bucket })
          .select("bucket_end,cumulative_pnl::text").abortSignal(signal),
      )),
  });
  if (figures.error) return <ErrorFace error={figures.error} retry={() => void figures.refetch()} />;
  if (!figures.data) return <Loading what="its figures" />;
  const it = figures.data;
  return (
    <>
      <section className="panel" aria-label="Figures">
        <FigureList>
          <Figure name="Profit">
            <Money value={it.realized_pnl} signed />
          </Figure>
          <Figure name="Trades">{it.trades}</Figure>
          <Figure name="Won">{formatShare(it.win_rate)}</Figure>
          <Figure name="Profit factor">
            {it.profit_factor === null ? "–" : formatDecimal(it.profit_factor, 2)}
          </Figure>
          <Figure name="Average R">{it.average_r === null ? "–" : formatDecimal(it.average_r, 2)}</Figure>
          <Figure name="Deepest fall">
            <Money value={it.max_drawdown} />
          </Figure>
          <Figure name="Best trade">
            <Money value={it.best_trade} signed />
          </Figure>
          <Figure name="Worst trade">
            <Money value={it.worst_trade} signed />
          </Figure>
          <Figure name="Fees">
            <Money value={it.fees} />
          </Figure>
          <Figure name="Open now">{it.open_positions}</Figure>
        </FigureList>
      </section>
      <section className="panel" aria-labelledby="how-far">
        <h2 id="how-far">How far its signals came</h2>
        <Funnel
          all={it.signals}
          steps={[
            ["fired", it.signals],
            ["approved", it.approved],
            ["traded", it.traded],
            ["closed", it.trades],
            ["rejected", it.rejected],
            ["expired", it.expired],
          ]}
        />
      </section>
      <section className="panel" aria-labelledby="profit-curve">
        <h2 id="profit-curve">Profit</h2>
        {series.error
          ? <ErrorFace error={series.error} retry={() => void series.refetch()} />
          : !series.data
          ? <Loading what="the curve" />
          : (
            <Curve
              label={`Profit over the last ${days} days, now ${formatDecimal(it.realized_pnl ?? "0", 2)}`}
              points={series.data.map((one) => ({ at: one.bucket_end, value: one.cumulative_pnl }))}
            />
          )}
      </section>
    </>
  );
}

function Funnel({ all, steps }: { all: number; steps: readonly (readonly [string, number])[] }) {
  return (
    <table className="grid funnel">
      <tbody>
        {steps.map(([name, count]) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td className="number end">{count}</td>
            <td className="bar" aria-hidden>
              <span style={{ width: `${all === 0 ? 0 : Math.min(100, 100 * count / all)}%` }} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
