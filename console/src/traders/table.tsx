import { Link } from "@tanstack/react-router";
import Decimal from "decimal.js";
import { Pause, Pencil, Play, Trash2 } from "lucide-react";
import { useState } from "react";
import { Badge } from "../kit/badge.tsx";
import { Button } from "../kit/button.tsx";
import { Money } from "../kit/money.tsx";
import { useChange } from "./changes.ts";
import { formatShare } from "./share.ts";
import { readRefusal } from "./refusal.ts";
import { RemoveTrader } from "./remove.tsx";
import { dayAgo, type Trader, useWorth } from "./trader.ts";

// The roles are written out because a table that is displayed as cards loses them.
/** Traders with what they do and what they were worth; pausing shows at once, and is undone when it is refused. */
export function TraderTable({ traders }: { traders: readonly Trader[] }) {
  const today = useWorth(dayAgo(0), dayAgo(0));
  const month = useWorth(dayAgo(30), dayAgo(0));
  const [removing, setRemoving] = useState<Trader | null>(null);
  return (
    <>
      <table className="grid traders" role="table" aria-label="Traders">
        <thead role="rowgroup">
          <tr role="row">
            <th role="columnheader" scope="col">Trader</th>
            <th role="columnheader" scope="col">Status</th>
            <th role="columnheader" scope="col">Watches</th>
            <th role="columnheader" scope="col" className="end">Signals today</th>
            <th role="columnheader" scope="col" className="end">All signals</th>
            <th role="columnheader" scope="col" className="end">Won</th>
            <th role="columnheader" scope="col" className="end">Profit</th>
            <th role="columnheader" scope="col" className="end">Profit, 30 days</th>
            <th role="columnheader" scope="col">
              <span className="visually-hidden">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody role="rowgroup">
          {traders.map((one) => (
            <TraderRow
              key={one.id}
              trader={one}
              today={today.data?.get(one.id)?.signals}
              profit={month.data?.get(one.id)?.realized_pnl}
              onRemove={() => setRemoving(one)}
            />
          ))}
        </tbody>
      </table>
      <p className="quiet">
        What was won and lost counts closed trades, a minute behind at most; the figures of days are counted
        every ten.
      </p>
      {removing && <RemoveTrader trader={removing} onClose={() => setRemoving(null)} />}
    </>
  );
}

interface RowProps {
  readonly trader: Trader;
  readonly today: number | undefined;
  readonly profit: string | null | undefined;
  readonly onRemove: () => void;
}

function TraderRow({ trader, today, profit, onRemove }: RowProps) {
  const change = useChange();
  const isActive = trader.status === "active";
  const refusal = change.error ? readRefusal(change.error) : null;
  return (
    <>
      <tr role="row">
        <th role="rowheader" scope="row">
          <Link to="/traders/$id" params={{ id: trader.id }}>{trader.name}</Link>
        </th>
        <td role="cell" data-label="Status">
          <Badge tone={isActive ? "good" : "neutral"}>{trader.status}</Badge>
        </td>
        <td role="cell" data-label="Watches">
          <Watches trader={trader} />
        </td>
        <td role="cell" data-label="Signals today" className="end number">{today ?? "–"}</td>
        <td role="cell" data-label="All signals" className="end number">{trader.total_signals_generated}</td>
        <td role="cell" data-label="Won" className="end number">{won(trader)}</td>
        <td role="cell" data-label="Profit" className="end">
          <Money value={trader.total_pnl} signed />
        </td>
        <td role="cell" data-label="Profit, 30 days" className="end">
          <Money value={profit} signed />
        </td>
        <td role="cell" className="actions">
          <Button
            kind="icon"
            aria-label={`${isActive ? "Pause" : "Resume"} ${trader.name}`}
            onPress={() => change.mutate({ id: trader.id, row: { status: isActive ? "paused" : "active" } })}
          >
            {isActive ? <Pause aria-hidden /> : <Play aria-hidden />}
          </Button>
          <Link
            to="/traders/$id/edit"
            params={{ id: trader.id }}
            className="button icon"
            aria-label={`Edit ${trader.name}`}
          >
            <Pencil aria-hidden />
          </Link>
          <Button kind="icon" aria-label={`Delete ${trader.name}`} onPress={onRemove}>
            <Trash2 aria-hidden />
          </Button>
        </td>
      </tr>
      {refusal && (
        <tr role="row" className="refused">
          <td role="cell" colSpan={9}>
            <p role="alert" className="notice">
              {trader.name} is as it was: {refusal.message} {refusal.hint}
            </p>
          </td>
        </tr>
      )}
    </>
  );
}

function won({ winning_trades: wins, total_trades_executed: trades }: Trader): string {
  return trades === 0 ? "–" : formatShare(new Decimal(wins).div(trades).toFixed(4));
}

function Watches({ trader: { symbols, interval, side } }: { trader: Trader }) {
  const shown = symbols.slice(0, 2).join(", ");
  const more = symbols.length - 2;
  return (
    <span title={symbols.join(", ")}>
      {side} · {interval} · {shown}
      {more > 0 && ` and ${more} more`}
    </span>
  );
}
