/** Every signal, live: what the address asks for. */
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useCallback, useMemo, useState, useSyncExternalStore } from "react";
import { Empty, ErrorFace } from "../app/faces.tsx";
import { answer, judge } from "../app/failure.ts";
import { formatAge, formatUtc } from "../kit/moment.tsx";
import { useProject, useUser } from "../session/session.tsx";
import { COLUMNS, readColumns, writeColumns } from "./columns.tsx";
import { type Filter, isNarrow, readAddress, writeAddress } from "./filter.ts";
import { CARD_HEIGHT, MOST_PIXELS, ROW_HEIGHT, SignalTable } from "./table.tsx";
import { Toolbar, type Trader } from "./toolbar.tsx";
import { useCounts, useFeed } from "./use-feed.ts";
import "./signals.css";

const route = getRouteApi("/signals");
const PHONE = matchMedia("(max-width: 720px)");

function usePhone(): boolean {
  return useSyncExternalStore((listener) => {
    PHONE.addEventListener("change", listener);
    return () => PHONE.removeEventListener("change", listener);
  }, () => PHONE.matches);
}

export function SignalsPage() {
  const address = route.useSearch();
  const filter = useMemo(() => readAddress(address), [address]);
  const navigate = useNavigate();
  const change = useCallback(
    (next: Filter) => void navigate({ to: "/signals", search: writeAddress(next) }),
    [navigate],
  );
  const [columns, setColumns] = useState(readColumns);
  const choose = (chosen: string[]) => {
    writeColumns(chosen);
    setColumns(chosen);
  };
  const counts = useCounts();
  const traders = useTraders();
  return (
    <div className="signals">
      <h1 className="sr">Signals</h1>
      <Toolbar
        filter={filter}
        onChange={change}
        counts={counts}
        traders={traders}
        columns={columns}
        onColumns={choose}
      />
      <List
        key={JSON.stringify(filter)}
        filter={filter}
        columns={columns}
        traders={traders}
        onChange={change}
      />
    </div>
  );
}

const NUMBER = new Intl.NumberFormat();

function List({ filter, columns, traders, onChange }: {
  filter: Filter;
  columns: readonly string[];
  traders: readonly Trader[];
  onChange: (filter: Filter) => void;
}) {
  const phone = usePhone();
  const navigate = useNavigate();
  const { feed, shown, total } = useFeed(
    filter,
    Math.floor(MOST_PIXELS / (phone ? CARD_HEIGHT : ROW_HEIGHT)),
  );
  const shownColumns = useMemo(() => COLUMNS.filter(({ id }) => columns.includes(id)), [columns]);
  const names = useMemo(() => new Map(traders.map(({ id, name }) => [id, name])), [traders]);
  const { window, error, keptAt, busy } = shown;

  if (error !== null && !window) return <ErrorFace error={error} retry={() => feed.toHead()} />;
  if (window && window.rows.length === 0 && window.tail === null && window.head === null) {
    return isNarrow(filter)
      ? <Empty title="No signal passes this filter.">Take a part of it away to see more.</Empty>
      : (
        <Empty title="There is no signal yet.">
          They appear here by themselves as soon as one of your traders fires.
        </Empty>
      );
  }
  return (
    <>
      {keptAt
        ? (
          <p className="notice" role="status" title={formatUtc(keptAt)}>
            No connection: these are the last {window?.rows.length} signals, as of{" "}
            {formatAge(Date.now() - keptAt.getTime())} ago.
          </p>
        )
        : error !== null && <p className="notice" role="alert">{judge(error).message} {judge(error).hint}</p>}
      <SignalTable
        feed={feed}
        shown={shown}
        newestFirst={filter.newestFirst}
        columns={shownColumns}
        traders={names}
        card={phone}
        onOpen={(id) => void navigate({ to: "/signals/$id", params: { id } })}
        onOrder={() => onChange({ ...filter, newestFirst: !filter.newestFirst })}
      />
      <p className="signal-foot quiet number" role="status" aria-live="off">
        {total === null ? "Many" : NUMBER.format(total)} {total === 1 ? "signal" : "signals"}
        {busy && " · reading …"}
        {window && window.tail !== null && window.rows.length === 0 && " · still looking for the first …"}
      </p>
    </>
  );
}

const NO_TRADERS: readonly Trader[] = [];

function useTraders(): readonly Trader[] {
  const project = useProject();
  const { id } = useUser();
  const { data } = useQuery({
    queryKey: ["signals", "traders", id],
    staleTime: 60_000,
    queryFn: async ({ signal }) =>
      answer(
        await project.from("traders").select("id, name, symbols").order("name").limit(1000).abortSignal(
          signal,
        ),
      ),
  });
  return data ?? NO_TRADERS;
}
