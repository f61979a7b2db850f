import { memo } from "react";
import { Badge } from "../kit/badge.tsx";
import { Moment } from "../kit/moment.tsx";
import { Money, Price } from "../kit/money.tsx";
import { STATUS_TONES, words } from "../kit/status.ts";
import type { Column } from "./columns.tsx";
import type { SignalRow } from "./row.ts";

interface Props {
  readonly row: SignalRow;
  /** From 1 on; the head of the table is the first. */
  readonly place: number;
  readonly columns: readonly Column[];
  readonly traders: ReadonlyMap<string, string>;
  readonly active: boolean;
  readonly card: boolean;
}

const FRESH_MILLISECONDS = 3000;

/** One signal: plain cells, painted again only when something about it changed. */
export const RowView = memo(function RowView({ row, place, columns, traders, active, card }: Props) {
  // Only what has just been recorded slides in; what somebody scrolls to has been there.
  const fresh = Date.now() - Date.parse(row.created_at) < FRESH_MILLISECONDS;
  return (
    <div
      role="row"
      id={`signal-${row.id}`}
      aria-rowindex={place + 2}
      aria-selected={active}
      className={fresh ? "signal-row fresh" : "signal-row"}
      data-id={row.id}
    >
      {card
        ? <Card row={row} trader={traders.get(row.trader_id)} />
        : columns.map(({ id, align, cell }) => (
          <div key={id} role="gridcell" className={align}>{cell(row, traders)}</div>
        ))}
    </div>
  );
});

function Card({ row, trader }: { row: SignalRow; trader: string | undefined }) {
  return (
    <div role="gridcell" className="signal-card">
      <span>
        <strong>{row.symbol}</strong>{" "}
        <span className={row.side === "long" ? "gain" : "loss"}>{row.side}</span>{" "}
        <span className="quiet">{row.interval}</span>
      </span>
      <Badge tone={STATUS_TONES[row.status]}>{words(row.status)}</Badge>
      <span className="quiet">{trader ?? "–"}</span>
      <Price value={row.initial_price} />
      <span className="quiet">
        <Moment value={row.triggered_at} />
        {row.outcome_code && ` · ${words(row.outcome_code)}`}
      </span>
      {row.status === "in_position" || row.status === "closed"
        ? <Money value={row.total_pnl} signed />
        : null}
    </div>
  );
}
