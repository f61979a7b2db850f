import { Link, useNavigate } from "@tanstack/react-router";
import { Badge } from "../kit/badge.tsx";
import { CardTable, type Column } from "../kit/card-table.tsx";
import { formatDecimal, Money, Price } from "../kit/money.tsx";
import { Moment } from "../kit/moment.tsx";
import { words } from "../kit/status.ts";
import type { Names } from "../orders/orders-table.tsx";
import { quoteOf, span } from "../signal/why.ts";
import type { ClosedPosition } from "./holdings.ts";

/** Positions that are over; Enter opens the signal of one. */
export function ClosedTable({ positions, names }: { positions: readonly ClosedPosition[]; names: Names }) {
  const navigate = useNavigate();
  const columns: Column<ClosedPosition>[] = [
    {
      name: "Position",
      plain: true,
      cell: (one) => (
        <>
          <Link to="/signals/$id" params={{ id: one.signal_id }}>{one.symbol}</Link>{" "}
          <Badge tone={one.side === "long" ? "good" : "bad"}>{one.side}</Badge>
        </>
      ),
    },
    {
      name: "Ended by",
      cell: (one) =>
        `${words(one.exit_reason)}${one.close_state === "flat" ? "" : `, ${words(one.close_state)}`}`,
    },
    {
      name: "Profit",
      cell: (one) => <Money value={one.realized_pnl} signed unit={quoteOf(one.normalised_symbol)} />,
    },
    { name: "Fees", cell: (one) => <Money value={one.fees} places={4} /> },
    { name: "Amount", cell: (one) => <span className="number">{formatDecimal(one.entry_amount)}</span> },
    { name: "Entry", cell: (one) => <Price value={one.entry_average} /> },
    { name: "Exit", cell: (one) => <Price value={one.exit_average} /> },
    { name: "Account", cell: (one) => names.account(one.account_id) },
    { name: "Trader", cell: (one) => names.trader(one.trader_id) },
    { name: "Opened", cell: (one) => <Moment value={one.opened_at} /> },
    { name: "Lasted", cell: (one) => span(one.opened_at, one.closed_at) },
  ];
  return (
    <CardTable
      label="Closed positions"
      columns={columns}
      rows={positions}
      rowKey={(one) => one.id}
      onRowKey={(one, key) => {
        if (key === "Enter") void navigate({ to: "/signals/$id", params: { id: one.signal_id } });
      }}
    />
  );
}
