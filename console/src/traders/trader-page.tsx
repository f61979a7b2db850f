/** One trader: what it does, and what it was worth. */
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { Empty, ErrorFace, Loading } from "../app/faces.tsx";
import { Badge } from "../kit/badge.tsx";
import { Button } from "../kit/button.tsx";
import { Choice } from "../kit/choice.tsx";
import { useChange } from "./changes.ts";
import { Backtests } from "./backtests.tsx";
import { Performance } from "./performance.tsx";
import { readRefusal } from "./refusal.ts";
import { RemoveTrader } from "./remove.tsx";
import { type Trader, useTrader } from "./trader.ts";
import "./traders.css";

const SPANS = [
  { value: "1", label: "the last day" },
  { value: "7", label: "7 days" },
  { value: "30", label: "30 days" },
  { value: "90", label: "90 days" },
  { value: "365", label: "a year" },
];

export function TraderPage() {
  const { id } = useParams({ from: "/traders/$id" });
  const { days = 30, backtest } = useSearch({ from: "/traders/$id" });
  const navigate = useNavigate({ from: "/traders/$id" });
  const { data, error, refetch } = useTrader(id);
  const change = useChange();
  const [removing, setRemoving] = useState(false);
  if (error && !data) return <ErrorFace error={error} retry={() => void refetch()} />;
  if (data === undefined) return <Loading what="the trader" />;
  if (data === null) return <Empty title="There is no such trader of yours." />;
  const isActive = data.status === "active";
  const refusal = change.error ? readRefusal(change.error) : null;

  return (
    <div className="stack">
      <div className="row heading">
        <h1>{data.name}</h1>
        <Badge tone={isActive ? "good" : "neutral"}>{data.status}</Badge>
        {data.status !== "deleted" && (
          <>
            <Button onPress={() => change.mutate({ id, row: { status: isActive ? "paused" : "active" } })}>
              {isActive ? "Pause" : "Resume"}
            </Button>
            <Link to="/traders/$id/edit" params={{ id }} className="button">Edit</Link>
            <Button onPress={() => setRemoving(true)}>Delete</Button>
          </>
        )}
      </div>
      {refusal && <p role="alert" className="notice">It is as it was: {refusal.message} {refusal.hint}</p>}
      <Rules trader={data} />
      <Choice
        label="Counted over"
        value={String(days)}
        onChange={(value) =>
          void navigate({ search: (before) => ({ ...before, days: Number(value) }), replace: true })}
        options={SPANS}
      />
      <Performance id={id} days={days} />
      <Backtests
        trader={data}
        shown={backtest}
        onShow={(shown) =>
          void navigate({
            search: (before) => ({ ...before, backtest: shown }),
            replace: true,
            resetScroll: false,
          })}
      />
      {removing && (
        <RemoveTrader
          trader={data}
          onClose={() => setRemoving(false)}
          onRemoved={() => void navigate({ to: "/traders" })}
        />
      )}
    </div>
  );
}

const KINDS: Readonly<Record<string, string>> = { percentage: "%", atr: " × ATR", price: " (price)" };

function Rules({ trader }: { trader: Trader }) {
  const distance = (kind: string | null, value: string | null) =>
    kind && value ? `${value}${KINDS[kind] ?? ""}` : "none";
  return (
    <section className="panel stack" aria-label="Rules">
      <p className="quiet rules">
        {trader.side} on {trader.symbols.join(", ")} ({trader.market}), at the close of {trader.interval}{" "}
        candles. Stop loss {distance(trader.stop_loss_type, trader.stop_loss_value)}, take profit{" "}
        {distance(trader.take_profit_type, trader.take_profit_value)}, trailing stop{" "}
        {distance(trader.trailing_stop_type, trader.trailing_stop_value)}; at most{" "}
        {trader.max_concurrent_positions} at once.
      </p>
      <ul className="conditions">
        {trader.conditions.map((one) => (
          <li key={one}>
            <code>{one}</code>
          </li>
        ))}
      </ul>
    </section>
  );
}
