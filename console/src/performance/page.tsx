/** What strategies were worth: over time, by what they are, and how well they were carried out. */
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useMemo } from "react";
import { Button } from "../kit/button.tsx";
import { Choice } from "../kit/choice.tsx";
import { useProject } from "../session/session.tsx";
import { Breakdown } from "./breakdown.tsx";
import { Equity } from "./equity.tsx";
import { Latency, Slippage } from "./execution.tsx";
import { Funnel } from "./funnel.tsx";
import { LikenessMap } from "./likeness.tsx";
import { dateIn, period, shift } from "./period.ts";
import { latestQuery, tradersQuery } from "./queries.ts";
import { DAYS, type PerformanceSearch } from "./search.ts";
import "./performance.css";

const route = getRouteApi("/performance");
const HERE = Intl.DateTimeFormat().resolvedOptions().timeZone;
const ALL = "";

export function PerformancePage() {
  const project = useProject();
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const traders = useQuery(tradersQuery(project));
  const names = useMemo(() => new Map(traders.data?.map((one) => [one.id, one.name])), [traders.data]);
  const ids = useMemo(
    () => traders.data?.filter((one) => one.status !== "deleted").map((one) => one.id) ?? [],
    [traders.data],
  );

  const days = Number(search.days ?? "30");
  const zone = search.zone ?? HERE;
  const today = dateIn(zone, new Date());
  const until = search.until ?? today;
  const now = useMemo(() => period(zone, until, days), [zone, until, days]);
  const before = useMemo(() => period(zone, shift(until, -days), days), [zone, until, days]);
  const change = (more: PerformanceSearch) =>
    void navigate({ search: (known) => ({ ...known, ...more }), replace: true, resetScroll: false });

  return (
    <div className="stack">
      <h1>Performance</h1>
      <div className="toolbar" role="group" aria-label="What is shown">
        <Choice
          label="Days"
          value={search.days ?? "30"}
          options={DAYS.map((one) => ({ value: one, label: one === "1" ? "1 day" : `${one} days` }))}
          onChange={(value) => change({ days: value })}
        />
        <div className="field">
          <label htmlFor="until">Up to</label>
          <input
            id="until"
            type="date"
            value={until}
            onChange={(event) => event.target.value !== "" && change({ until: event.target.value })}
          />
        </div>
        <Choice
          label="Time zone"
          value={zone}
          options={[...new Set([zone, HERE, "UTC"])].map((one) => ({ value: one, label: one }))}
          onChange={(value) => change({ zone: value === HERE ? undefined : value })}
        />
        <Choice
          label="Trader"
          value={search.trader ?? ALL}
          options={[
            { value: ALL, label: "All traders" },
            ...(traders.data ?? []).map((one) => ({ value: one.id, label: one.name })),
          ]}
          onChange={(value) => change({ trader: value === ALL ? undefined : value })}
        />
        {search.symbol && (
          <Button
            onPress={() => change({ symbol: undefined })}
            aria-label={`Show all symbols, not ${search.symbol} alone`}
          >
            {search.symbol} ✕
          </Button>
        )}
      </div>
      <Equity
        now={now}
        before={before}
        zone={zone}
        subject={{ trader: search.trader, symbol: search.symbol }}
        empty={<Elsewhere zone={zone} until={until} />}
      />
      {(search.trader || search.symbol) && (
        <p className="quiet">The rest of the page is of all traders and symbols.</p>
      )}
      <Breakdown span={now} dimension={search.by ?? "trader"} names={names} />
      <div className="panels">
        <Funnel span={now} />
        <Slippage span={now} />
      </div>
      <Latency span={now} />
      <LikenessMap
        traders={ids}
        names={names}
        span={now}
        days={days}
        likeness={search.likeness ?? "signals"}
      />
      <p className="quiet">
        Charts are drawn by{" "}
        <a href="https://www.tradingview.com/" target="_blank" rel="noreferrer">TradingView</a>{" "}
        Lightweight Charts.
      </p>
    </div>
  );
}

/** Nothing in this period: says where there is something. */
function Elsewhere({ zone, until }: { zone: string; until: string }) {
  const latest = useQuery(latestQuery(useProject()));
  if (latest.isPending || latest.isError) return null;
  if (latest.data === null) {
    return (
      <p className="notice info" role="status">
        No signal was recorded yet: once your traders fire, this page fills.
      </p>
    );
  }
  const date = dateIn(zone, new Date(latest.data));
  return (
    <p className="notice info" role="status">
      {"Nothing happened in this time. "}
      {date !== until && (
        <Link from="/performance" to="." search={(known) => ({ ...known, until: date })}>
          Your latest signal fired on {date}: show the days up to it
        </Link>
      )}
    </p>
  );
}
