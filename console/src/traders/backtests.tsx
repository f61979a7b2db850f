/** What a trader would have come to on recorded candles: the backtests that were kept of it. */
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { z } from "zod";
import { ErrorFace, Loading } from "../app/faces.tsx";
import { answer } from "../app/failure.ts";
import { Button } from "../kit/button.tsx";
import { Figure, Figures as FigureList } from "../kit/figures.tsx";
import { formatDecimal, Money } from "../kit/money.tsx";
import { formatAge, Moment } from "../kit/moment.tsx";
import type { Project } from "../project.ts";
import { useProject } from "../session/session.tsx";
import { Curve } from "./curve.tsx";
import { formatShare } from "./share.ts";
import type { Trader } from "./trader.ts";

const Exact = z.string().nullable();
const Figures = z.object({
  signals: z.number(),
  trades: z.number(),
  win_rate: Exact,
  profit: z.string(),
  fees: z.string(),
  return_percent: z.string(),
  profit_factor: Exact,
  max_drawdown: z.string(),
  max_drawdown_percent: z.string(),
  sharpe: Exact,
  exposure: z.string(),
  longest_losing_run: z.number(),
  average_holding_seconds: z.number().nullable(),
});
const Kept = z.object({
  id: z.string(),
  name: z.string(),
  starts_at: z.string(),
  ends_at: z.string(),
  figures: Figures,
  created_at: z.string(),
});
type Kept = z.infer<typeof Kept>;
const Whole = z.object({
  terms: z.object({ equity: z.string(), currency: z.string() }),
  traders: z.array(z.object({ trader: z.object({ id: z.string(), name: z.string() }), figures: Figures })),
  points: z.array(z.object({ at: z.string(), equity: z.string(), drawdown_percent: z.string() })),
});

interface Props {
  readonly trader: Trader;
  /** The one that is shown whole. */
  readonly shown: string | undefined;
  readonly onShow: (id: string | undefined) => void;
}

export function Backtests({ trader, shown, onShow }: Props) {
  const project = useProject();
  const { data, error, refetch } = useQuery({
    queryKey: ["backtests", trader.id, trader.name],
    queryFn: ({ signal }) => readKept(project, trader, signal),
  });
  return (
    <section className="panel stack" aria-labelledby="backtests">
      <h2 id="backtests">Backtests</h2>
      {error
        ? <ErrorFace error={error} retry={() => void refetch()} />
        : !data
        ? <Loading what="its backtests" />
        : data.length === 0
        ? (
          <p className="quiet">
            None is kept. <code>sigtrail strategies backtest FILE.json --candles DIR --save --user YOU</code>
            {" "}
            plays it over recorded candles, and shows it here.
          </p>
        )
        : <KeptTable kept={data} shown={shown} onShow={onShow} />}
      {data?.some((one) => one.id === shown) && <Report id={shown!} trader={trader} />}
    </section>
  );
}

/** Those that have this trader in them, by its id, or by its name where it was played before it was made. */
async function readKept(project: Project, trader: Trader, signal: AbortSignal): Promise<Kept[]> {
  const ask = async (wanted: { id: string } | { name: string }) =>
    z.array(Kept).parse(answer(
      await project.from("backtests").select("id,name,starts_at,ends_at,figures,created_at")
        .contains("report", { traders: [{ trader: wanted }] }).order("created_at", { ascending: false })
        .limit(50).abortSignal(signal),
    ));
  const found = (await Promise.all([ask({ id: trader.id }), ask({ name: trader.name })])).flat();
  return [...new Map(found.map((one) => [one.id, one])).values()]
    .sort((one, other) => other.created_at.localeCompare(one.created_at));
}

function KeptTable(
  { kept, shown, onShow }: { kept: readonly Kept[]; shown: string | undefined; onShow: Props["onShow"] },
) {
  return (
    <table className="grid">
      <thead>
        <tr>
          <th scope="col">Market time</th>
          <th scope="col">Made</th>
          <th scope="col" className="end">Trades</th>
          <th scope="col" className="end">Won</th>
          <th scope="col" className="end">Profit</th>
          <th scope="col">
            <span className="visually-hidden">Report</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {kept.map((one) => (
          <tr key={one.id}>
            <td>
              <Moment value={one.starts_at} /> – <Moment value={one.ends_at} />
            </td>
            <td>
              <Moment value={one.created_at} />
            </td>
            <td className="end number">{one.figures.trades}</td>
            <td className="end number">{formatShare(one.figures.win_rate)}</td>
            <td className="end">
              <Money value={one.figures.profit} signed />
            </td>
            <td>
              <Button
                aria-pressed={one.id === shown}
                onPress={() => onShow(one.id === shown ? undefined : one.id)}
              >
                {one.id === shown ? "Hide" : "Show"}
              </Button>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Report({ id, trader }: { id: string; trader: Trader }) {
  const project = useProject();
  const { data, error, refetch } = useQuery({
    queryKey: ["backtest", id],
    staleTime: Infinity,
    queryFn: async ({ signal }) =>
      Whole.parse(answer(
        await project.from("backtests").select(
          "terms:report->terms,traders:report->traders,points:equity->points",
        )
          .eq("id", id).abortSignal(signal).single(),
      )),
  });
  const curves = useMemo(() => ({
    equity: data?.points.map((one) => ({ at: one.at, value: one.equity })) ?? [],
    drawdown: data?.points.map((one) => ({ at: one.at, value: `-${one.drawdown_percent}` })) ?? [],
  }), [data]);
  if (error) return <ErrorFace error={error} retry={() => void refetch()} />;
  if (!data) return <Loading what="the report" />;
  const own = data.traders.find((one) => one.trader.id === trader.id) ??
    data.traders.find((one) => one.trader.name === trader.name);
  return (
    <>
      {own && (
        <FigureList>
          <Figure name="Signals">{own.figures.signals}</Figure>
          <Figure name="Trades">{own.figures.trades}</Figure>
          <Figure name="Won">{formatShare(own.figures.win_rate)}</Figure>
          <Figure name="Profit">
            <Money value={own.figures.profit} signed unit={data.terms.currency} />
          </Figure>
          <Figure name="Return">{formatDecimal(own.figures.return_percent, 2)} %</Figure>
          <Figure name="Profit factor">
            {own.figures.profit_factor === null ? "–" : formatDecimal(own.figures.profit_factor, 2)}
          </Figure>
          <Figure name="Deepest fall">
            <Money value={own.figures.max_drawdown} /> ({formatDecimal(own.figures.max_drawdown_percent, 2)}
            {" "}
            %)
          </Figure>
          <Figure name="Sharpe">
            {own.figures.sharpe === null ? "–" : formatDecimal(own.figures.sharpe, 2)}
          </Figure>
          <Figure name="Time in the market">{formatShare(own.figures.exposure)}</Figure>
          <Figure name="Longest losing run">{own.figures.longest_losing_run}</Figure>
          <Figure name="Held on average">
            {own.figures.average_holding_seconds === null
              ? "–"
              : formatAge(own.figures.average_holding_seconds * 1000)}
          </Figure>
          <Figure name="Fees">
            <Money value={own.figures.fees} />
          </Figure>
        </FigureList>
      )}
      {data.traders.length > 1 && (
        <p className="quiet">
          The figures are of this trader alone, the curves of the account that {data.traders.length}{" "}
          traders shared.
        </p>
      )}
      <h3>Equity</h3>
      <Curve
        label={`Equity of the backtest, from ${data.terms.equity} to ${
          data.points.at(-1)?.equity ?? "nothing"
        }`}
        points={curves.equity}
      />
      <h3>Drawdown in percent</h3>
      <Curve label="Drawdown of the backtest in percent" points={curves.drawdown} colour="--loss" />
    </>
  );
}
