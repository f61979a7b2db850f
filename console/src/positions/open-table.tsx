import { Link, useNavigate } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { Badge } from "../kit/badge.tsx";
import { Button } from "../kit/button.tsx";
import { CardTable, type Column } from "../kit/card-table.tsx";
import { formatDecimal, Money, Price } from "../kit/money.tsx";
import { formatAge, Moment } from "../kit/moment.tsx";
import { words } from "../kit/status.ts";
import type { Names } from "../orders/orders-table.tsx";
import { quoteOf } from "../signal/why.ts";
import { distance, reach, total, unrealized } from "./figures.ts";
import type { Holding } from "./holdings.ts";

const SOURCES: Readonly<Record<string, string>> = {
  bridge: "told by the trading bridge",
  watch: "seen by the watch over its signal",
  signal: "of the latest signal of its symbol",
};

interface Props {
  readonly holdings: readonly Holding[];
  readonly names: Names;
  readonly label: string;
  readonly onClose: (one: Holding) => void;
}

/** Open positions as rows: Enter opens the signal of one, x asks to close it. */
export function OpenTable({ holdings, names, label, onClose }: Props) {
  const navigate = useNavigate();
  const columns: Column<Holding>[] = [
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
    { name: "Amount", cell: (one) => <span className="number">{formatDecimal(one.amount)}</span> },
    { name: "Entry", cell: (one) => <Price value={one.entry_average} /> },
    { name: "Price", cell: (one) => <LatestPrice one={one} /> },
    {
      name: "Open profit",
      cell: (one) => <Money value={unrealized(one)} signed unit={quoteOf(one.normalised_symbol)} />,
    },
    {
      name: "With fees",
      cell: (one) => (
        <>
          <Money value={total(one)} signed unit={quoteOf(one.normalised_symbol)} />
          <small className="quiet below">
            fees <Money value={one.fees} places={4} />
          </small>
        </>
      ),
    },
    { name: "Protection", cell: (one) => <Protection one={one} /> },
    {
      name: "To stop",
      cell: (one) => (
        <Distance
          percent={distance(one.side, one.price, one.stop_loss)}
          level={one.stop_loss}
        />
      ),
    },
    {
      name: "To target",
      cell: (one) => (
        <Distance percent={reach(one.side, one.price, one.take_profit)} level={one.take_profit} />
      ),
    },
    { name: "To liquidation", cell: (one) => <Liquidation one={one} /> },
    {
      name: "Of",
      cell: (one) => (
        <>
          {names.trader(one.trader_id)}
          <small className="quiet below">{names.account(one.account_id)}</small>
        </>
      ),
    },
    { name: "Opened", cell: (one) => <Moment value={one.opened_at} /> },
    {
      name: "Close",
      plain: true,
      cell: (one) => (
        <Button
          isDisabled={one.exit_reason !== null}
          onPress={() => onClose(one)}
          aria-label={`Close ${one.signal_name}`}
        >
          Close …
        </Button>
      ),
    },
  ];
  return (
    <CardTable
      label={label}
      columns={columns}
      rows={holdings}
      rowKey={(one) => one.id}
      tone={(one) =>
        one.unprotected_reason !== null ? "bad" : one.margin_warning !== null ? "warn" : undefined}
      onRowKey={(one, key) => {
        if (key === "Enter") void navigate({ to: "/signals/$id", params: { id: one.signal_id } });
        if (key === "x" && one.exit_reason === null) onClose(one);
      }}
    />
  );
}

function LatestPrice({ one }: { one: Holding }) {
  if (one.price === null) return <span className="quiet">not known yet</span>;
  const age = one.price_at === null ? null : formatAge(Date.now() - Date.parse(one.price_at));
  return (
    <>
      <Price value={one.price} />
      <small className="quiet below" title={SOURCES[one.price_source ?? ""]}>
        {age === null ? "" : `${age} ago, `}
        {one.price_source}
      </small>
    </>
  );
}

function Protection({ one }: { one: Holding }) {
  const stop = one.stop;
  return (
    <>
      {one.exit_reason !== null && <Badge tone="warn">closing: {words(one.exit_reason)}</Badge>}
      {one.unprotected_reason !== null
        ? <Badge tone="bad">unprotected: {one.unprotected_reason}</Badge>
        : one.exit_reason === null && <Badge tone="good">protected</Badge>}
      <small className="quiet below number">
        {stop
          ? `stop ${words(stop.status)} for ${formatDecimal(stop.amount)} at ${
            stop.trigger_price === null ? "–" : formatDecimal(stop.trigger_price)
          }${stop.managed_by === "bridge" ? ", watched by the bridge" : ""}`
          : "no stop order"}
        {one.trailing_percent !== null && `, trailing by ${formatDecimal(one.trailing_percent)} %`}
      </small>
    </>
  );
}

function Distance(
  { percent, level, none = "–" }: { percent: string | null; level: string | null; none?: ReactNode },
) {
  if (level === null) return <span className="quiet">{none}</span>;
  return (
    <>
      {percent === null
        ? <span className="quiet">–</span>
        : percent.startsWith("-")
        ? <span className="wrong number">passed by {formatDecimal(percent.slice(1), 2)} %</span>
        : <span className="number">{formatDecimal(percent, 2)} %</span>}
      <small className="quiet below number">{formatDecimal(level)}</small>
    </>
  );
}

function Liquidation({ one }: { one: Holding }) {
  return (
    <>
      <Distance
        percent={distance(one.side, one.price, one.liquidation_price)}
        level={one.liquidation_price}
        none={
          <span title="The paper venue and spot accounts liquidate nobody; a futures venue tells it.">
            none told
          </span>
        }
      />
      {one.margin_warning !== null && <div className="wrong said">{one.margin_warning}</div>}
    </>
  );
}
