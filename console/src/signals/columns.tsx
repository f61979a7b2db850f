/** The columns of the list: what each shows, and which of them this device shows. */
import type { ReactNode } from "react";
import { Badge } from "../kit/badge.tsx";
import { Moment } from "../kit/moment.tsx";
import { Money, Price } from "../kit/money.tsx";
import { STATUS_TONES, words } from "../kit/status.ts";
import type { SignalRow } from "./row.ts";

export interface Column {
  readonly id: string;
  readonly label: string;
  /** A track of the grid. */
  readonly width: string;
  readonly align?: "end";
  /** What export-signals calls it. */
  readonly exported: string;
  readonly cell: (row: SignalRow, traders: ReadonlyMap<string, string>) => ReactNode;
}

// While only a live message has told of a row, a part of it is not here yet.
const coming = <span className="quiet" aria-label="not here yet">…</span>;
const none = <span className="quiet">–</span>;

export const COLUMNS: readonly Column[] = [
  {
    id: "time",
    label: "Time",
    width: "minmax(160px, 1.1fr)",
    exported: "triggered_at",
    cell: (row) => <Moment value={row.triggered_at} />,
  },
  {
    id: "symbol",
    label: "Symbol",
    width: "minmax(100px, 1fr)",
    exported: "symbol",
    cell: (row) => row.symbol,
  },
  {
    id: "side",
    label: "Side",
    width: "64px",
    exported: "side",
    cell: (row) => <span className={row.side === "long" ? "gain" : "loss"}>{row.side}</span>,
  },
  {
    id: "status",
    label: "Status",
    width: "112px",
    exported: "status",
    cell: (row) => <Badge tone={STATUS_TONES[row.status]}>{words(row.status)}</Badge>,
  },
  {
    id: "outcome",
    label: "Outcome",
    width: "minmax(110px, 1.2fr)",
    exported: "outcome_code",
    cell: (row) => row.outcome_code ? words(row.outcome_code) : none,
  },
  {
    id: "trader",
    label: "Trader",
    width: "minmax(110px, 1.4fr)",
    exported: "trader",
    cell: (row, traders) => traders.get(row.trader_id) ?? none,
  },
  {
    id: "interval",
    label: "Interval",
    width: "70px",
    exported: "interval",
    cell: (row) => row.interval,
  },
  {
    id: "price",
    label: "Price",
    width: "minmax(90px, 1fr)",
    align: "end",
    exported: "initial_price",
    cell: (row) => <Price value={row.initial_price} />,
  },
  {
    id: "last",
    label: "Last price",
    width: "minmax(90px, 1fr)",
    align: "end",
    exported: "current_price",
    cell: (row) => <Price value={row.current_price} />,
  },
  {
    id: "profit",
    label: "Profit",
    width: "minmax(80px, 0.8fr)",
    align: "end",
    exported: "total_pnl",
    // Of what was not traded there is no profit, which is something else than none.
    cell: (row) =>
      row.status === "in_position" || row.status === "closed" ? <Money value={row.total_pnl} signed /> : none,
  },
  {
    id: "confidence",
    label: "Confidence",
    width: "92px",
    align: "end",
    exported: "analysis_confidence",
    cell: (row) =>
      row.analysis_confidence === null ? none : <span className="number">{row.analysis_confidence}</span>,
  },
  {
    id: "source",
    label: "Source",
    width: "72px",
    exported: "source",
    cell: (row) => row.source ?? coming,
  },
  {
    id: "machine",
    label: "Machine",
    width: "minmax(110px, 1fr)",
    exported: "machine",
    cell: (row) => row.machine === undefined ? coming : row.machine ?? none,
  },
  {
    id: "tags",
    label: "Tags",
    width: "minmax(100px, 1fr)",
    exported: "tags",
    cell: (row) => row.tags === undefined ? coming : row.tags?.length ? row.tags.join(", ") : none,
  },
  {
    id: "recorded",
    label: "Recorded",
    width: "minmax(160px, 1fr)",
    exported: "created_at",
    cell: (row) => <Moment value={row.created_at} />,
  },
];

const KEY = "sigtrail.signals.columns";
const FIRST = [
  "time",
  "symbol",
  "side",
  "status",
  "outcome",
  "trader",
  "interval",
  "price",
  "profit",
  "confidence",
];

/** The ids of the columns that this device shows. */
export function readColumns(storage: Pick<Storage, "getItem"> = localStorage): string[] {
  const kept = (storage.getItem(KEY) ?? "").split(",");
  const known = COLUMNS.map(({ id }) => id).filter((id) => kept.includes(id));
  return known.length > 0 ? known : FIRST;
}

export function writeColumns(
  chosen: readonly string[],
  storage: Pick<Storage, "setItem"> = localStorage,
): void {
  storage.setItem(KEY, chosen.join(","));
}
