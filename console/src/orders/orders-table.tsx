import { Link, useNavigate } from "@tanstack/react-router";
import { Badge } from "../kit/badge.tsx";
import { CardTable, type Column } from "../kit/card-table.tsx";
import { formatDecimal, Money, Price } from "../kit/money.tsx";
import { Moment } from "../kit/moment.tsx";
import { words } from "../kit/status.ts";
import type { Order } from "./list.ts";
import { orderTone } from "./state.ts";

export interface Names {
  readonly account: (id: string) => string;
  readonly trader: (id: string) => string;
}

/** Orders as rows; Enter opens the signal of one. */
export function OrdersList(
  { orders, names, label }: { orders: readonly Order[]; names: Names; label: string },
) {
  const navigate = useNavigate();
  const columns: Column<Order>[] = [
    {
      name: "Order",
      plain: true,
      cell: (one) => (
        <Link to="/signals/$id" params={{ id: one.signal_id }}>
          {one.symbol} {words(one.leg)}
          {one.attempt > 1 && ` (${one.attempt})`}
        </Link>
      ),
    },
    {
      name: "Status",
      cell: (one) => (
        <>
          <Badge tone={orderTone(one.status)}>{words(one.status)}</Badge>
          {one.message && <div className="wrong said">{one.message}</div>}
        </>
      ),
    },
    { name: "What", cell: (one) => `${one.side} ${words(one.kind)}` },
    { name: "Amount", cell: (one) => <span className="number">{formatDecimal(one.amount)}</span> },
    { name: "Price", cell: (one) => <Price value={one.price ?? one.trigger_price} /> },
    { name: "Filled", cell: (one) => <span className="number">{formatDecimal(one.filled)}</span> },
    { name: "Average", cell: (one) => <Price value={one.average} /> },
    { name: "Fees", cell: (one) => <Money value={one.fees} places={4} /> },
    { name: "Account", cell: (one) => names.account(one.account_id) },
    { name: "Trader", cell: (one) => names.trader(one.trader_id) },
    { name: "Intended", cell: (one) => <Moment value={one.intended_at} /> },
    { name: "Changed", cell: (one) => <Moment value={one.status_at} /> },
  ];
  return (
    <CardTable
      label={label}
      columns={columns}
      rows={orders}
      rowKey={(one) => one.id}
      tone={(one) => one.status === "unresolved" ? "bad" : undefined}
      onRowKey={(one, key) => {
        if (key === "Enter") void navigate({ to: "/signals/$id", params: { id: one.signal_id } });
      }}
    />
  );
}
