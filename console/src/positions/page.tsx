/** Positions and orders: what is held now, what was, and what was ordered. What needs a person stands on top. */
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { Empty, ErrorFace, Loading } from "../app/faces.tsx";
import { Button } from "../kit/button.tsx";
import { Money } from "../kit/money.tsx";
import { words } from "../kit/status.ts";
import { useLive } from "../live/live.tsx";
import { useReadAgain } from "../live/read-again.ts";
import { type Order, PAGE_ROWS, readOrders, readUnresolved } from "../orders/list.ts";
import { type Names, OrdersList } from "../orders/orders-table.tsx";
import { useProject } from "../session/session.tsx";
import { CloseDialog, OPEN_POSITIONS } from "./close-dialog.tsx";
import { ClosedTable } from "./closed-table.tsx";
import type { Closing } from "./closing.ts";
import { totals } from "./figures.ts";
import { Filters } from "./filters.tsx";
import {
  type Account,
  choose,
  type Holding,
  readAccounts,
  readClosed,
  readHoldings,
  readTraders,
} from "./holdings.ts";
import { OpenTable } from "./open-table.tsx";
import { type PositionsSearch, writeCursor } from "./search.ts";
import "./positions.css";

const VIEWS = [["open", "Open"], ["closed", "Closed"], ["orders", "Orders"]] as const;

export function PositionsPage() {
  const project = useProject();
  const search = useSearch({ from: "/positions" });
  const navigate = useNavigate({ from: "/positions" });
  const [closing, setClosing] = useState<Closing | null>(null);
  // Prices move without a message: they are read now and then, too.
  const held = useQuery({
    queryKey: OPEN_POSITIONS,
    queryFn: () => readHoldings(project),
    refetchInterval: 5_000,
  });
  const unresolved = useQuery({ queryKey: ["orders", "unresolved"], queryFn: () => readUnresolved(project) });
  const accounts = useQuery({ queryKey: ["accounts", "names"], queryFn: () => readAccounts(project) });
  const traders = useQuery({ queryKey: ["traders", "names"], queryFn: () => readTraders(project) });
  const readAgain = useReadAgain(["positions"], ["orders"]);
  useLive("trading", { onMessage: readAgain, onResync: readAgain });

  const names = useMemo(() => nameThem(accounts.data ?? [], traders.data ?? []), [
    accounts.data,
    traders.data,
  ]);
  const view = search.view ?? "open";
  const change = (more: PositionsSearch) =>
    void navigate({ search: (before) => ({ ...before, before: undefined, ...more }) });
  const failed = [held, unresolved, accounts, traders].find((one) => one.isError);
  return (
    <div className="positions stack">
      <header className="row">
        <h1>Positions and orders</h1>
        <CloseButtons accounts={accounts.data ?? []} chosen={search.account} onClose={setClosing} />
      </header>
      {failed && <ErrorFace error={failed.error} retry={() => void failed.refetch()} />}
      <Attention
        holdings={held.data ?? []}
        orders={unresolved.data ?? []}
        names={names}
        onClose={setClosing}
      />
      <nav className="row tabs" aria-label="What to show">
        {VIEWS.map(([name, label]) => (
          <Link
            key={name}
            to="/positions"
            search={{
              ...search,
              view: name === "open" ? undefined : name,
              before: undefined,
              status: undefined,
            }}
            aria-current={view === name ? "page" : undefined}
          >
            {label}
            {name === "open" && held.data && ` (${held.data.length})`}
          </Link>
        ))}
      </nav>
      <Filters
        search={search}
        accounts={accounts.data ?? []}
        traders={traders.data ?? []}
        onChange={change}
      />
      {view === "open" && <OpenView held={held.data} search={search} names={names} onClose={setClosing} />}
      {view === "closed" && <ClosedView search={search} names={names} onPage={change} />}
      {view === "orders" && <OrdersView search={search} names={names} onPage={change} />}
      {closing && (
        <CloseDialog
          closing={closing}
          holdings={held.data ?? []}
          accounts={accounts.data ?? []}
          onClose={() => setClosing(null)}
        />
      )}
    </div>
  );
}

function OpenView({ held, search, names, onClose }: {
  readonly held: Holding[] | undefined;
  readonly search: PositionsSearch;
  readonly names: Names;
  readonly onClose: (closing: Closing) => void;
}) {
  if (held === undefined) return <Loading what="your positions" />;
  const chosen = choose(held, search);
  if (chosen.length === 0) {
    return (
      <Empty title={held.length === 0 ? "Nothing is held now." : "No open position is like that."}>
        {held.length === 0
          ? "A position opens when a signal that is ready gets its entry filled."
          : "Widen the filters."}
      </Empty>
    );
  }
  return (
    <>
      <p className="totals" aria-label="Open profit">
        {totals(chosen).map(({ currency, pnl, positions, unpriced }) => (
          <span key={currency}>
            <Money value={pnl} signed unit={currency} />
            <span className="quiet after">
              with fees, of {positions} {positions === 1 ? "position" : "positions"}
              {unpriced > 0 && `, ${unpriced} of them without a known price`}
            </span>
          </span>
        ))}
      </p>
      <div className="scroll">
        <OpenTable
          label="Open positions"
          holdings={chosen}
          names={names}
          onClose={(position) => onClose({ kind: "position", position })}
        />
      </div>
    </>
  );
}

function ClosedView({ search, names, onPage }: PagedProps) {
  const project = useProject();
  const closed = useQuery({
    queryKey: ["positions", "closed", search],
    queryFn: () => readClosed(project, search),
    placeholderData: keepPreviousData,
  });
  if (closed.data === undefined) {
    return closed.isError
      ? <ErrorFace error={closed.error} retry={() => void closed.refetch()} />
      : <Loading what="closed positions" />;
  }
  const shown = closed.data.slice(0, PAGE_ROWS);
  if (shown.length === 0) return <Empty title="No closed position is like that." />;
  const last = shown.at(-1)!;
  return (
    <>
      <div className="scroll">
        <ClosedTable positions={shown} names={names} />
      </div>
      <Pages
        search={search}
        older={closed.data.length > PAGE_ROWS ? writeCursor({ at: last.opened_at, id: last.id }) : null}
        onPage={onPage}
      />
    </>
  );
}

function OrdersView({ search, names, onPage }: PagedProps) {
  const project = useProject();
  const orders = useQuery({
    queryKey: ["orders", "list", search],
    queryFn: () => readOrders(project, search),
    placeholderData: keepPreviousData,
  });
  if (orders.data === undefined) {
    return orders.isError
      ? <ErrorFace error={orders.error} retry={() => void orders.refetch()} />
      : <Loading what="orders" />;
  }
  const shown = orders.data.slice(0, PAGE_ROWS);
  if (shown.length === 0) return <Empty title="No order is like that." />;
  const last = shown.at(-1)!;
  return (
    <>
      <div className="scroll">
        <OrdersList label="Orders" orders={shown} names={names} />
      </div>
      <Pages
        search={search}
        older={orders.data.length > PAGE_ROWS ? writeCursor({ at: last.intended_at, id: last.id }) : null}
        onPage={onPage}
      />
    </>
  );
}

interface PagedProps {
  readonly search: PositionsSearch;
  readonly names: Names;
  readonly onPage: (change: PositionsSearch) => void;
}

function Pages(
  { search, older, onPage }: { search: PositionsSearch; older: string | null; onPage: PagedProps["onPage"] },
) {
  return (
    <div className="row">
      {search.before !== undefined && <Button onPress={() => onPage({ before: undefined })}>Newest</Button>}
      {older !== null && <Button onPress={() => onPage({ before: older })}>Older</Button>}
    </div>
  );
}

function Attention({ holdings, orders, names, onClose }: {
  readonly holdings: readonly Holding[];
  readonly orders: readonly Order[];
  readonly names: Names;
  readonly onClose: (closing: Closing) => void;
}) {
  const bare = holdings.filter((one) => one.unprotected_reason !== null);
  if (bare.length === 0 && orders.length === 0) return null;
  return (
    <section className="panel attention" aria-labelledby="attention">
      <h2 id="attention">Needs a look</h2>
      <ul>
        {bare.map((one) => (
          <li key={one.id} className="row">
            <Link to="/signals/$id" params={{ id: one.signal_id }}>{one.symbol} {one.side}</Link>
            <span className="wrong">is unprotected: {one.unprotected_reason}</span>
            <span className="quiet">{names.account(one.account_id)}</span>
            {one.exit_reason === null
              ? (
                <Button
                  aria-label={`Close ${one.signal_name}, which is unprotected`}
                  onPress={() => onClose({ kind: "position", position: one })}
                >
                  Close …
                </Button>
              )
              : <span>closing: {words(one.exit_reason)}</span>}
          </li>
        ))}
        {orders.map((one) => (
          <li key={one.id} className="row">
            <Link to="/signals/$id" params={{ id: one.signal_id }}>{one.symbol} {words(one.leg)}</Link>
            <span className="wrong">
              was sent, and nobody knows yet whether the venue has it{one.message && `: ${one.message}`}
            </span>
            <span className="quiet">{names.account(one.account_id)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function CloseButtons({ accounts, chosen, onClose }: {
  readonly accounts: readonly Account[];
  readonly chosen: string | undefined;
  readonly onClose: (closing: Closing) => void;
}) {
  const account = accounts.find((one) => one.id === chosen) ??
    (accounts.length === 1 ? accounts[0] : undefined);
  if (accounts.length === 0) return null;
  return (
    <div className="row end closers">
      {account && (
        <Button onPress={() => onClose({ kind: "account", account })}>Close all on {account.name} …</Button>
      )}
      <Button kind="danger" onPress={() => onClose({ kind: "everything" })}>Close everything …</Button>
    </div>
  );
}

function nameThem(accounts: readonly Account[], traders: readonly { id: string; name: string }[]): Names {
  const byAccount = new Map(
    accounts.map((one) => [one.id, one.status === "active" ? one.name : `${one.name} (${one.status})`]),
  );
  const byTrader = new Map(traders.map((one) => [one.id, one.name]));
  return { account: (id) => byAccount.get(id) ?? "–", trader: (id) => byTrader.get(id) ?? "–" };
}
