/** One signal: first why it was or was not traded, then all that happened to it. */
import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { useMemo } from "react";
import { Empty, ErrorFace, Loading } from "../app/faces.tsx";
import { Badge } from "../kit/badge.tsx";
import { CopyButton } from "../kit/copy.tsx";
import { Price } from "../kit/money.tsx";
import { formatAge, Moment } from "../kit/moment.tsx";
import { STATUS_TONES, words } from "../kit/status.ts";
import { useLive } from "../live/live.tsx";
import { useReadAgain } from "../live/read-again.ts";
import { useProject } from "../session/session.tsx";
import { Analysis, Fact } from "./analysis.tsx";
import { SignalChart } from "./chart.tsx";
import { MatchedConditions } from "./conditions.tsx";
import { concerns } from "./live.ts";
import { findSignals, parseAddress, readStory, readWorth, type Story } from "./story.ts";
import { TimelineList } from "./timeline-list.tsx";
import { steps } from "./timeline.ts";
import { FillsTable, OrdersTable, PositionFacts } from "./trade.tsx";
import { explain, span } from "./why.ts";
import "./signal.css";

export function SignalPage() {
  const { id } = useParams({ from: "/signals/$id" });
  const project = useProject();
  const address = useMemo(() => parseAddress(id), [id]);
  const found = useQuery({
    queryKey: ["signal-address", id],
    queryFn: () => address === null ? [] : findSignals(project, address),
    staleTime: Infinity,
  });
  if (found.isPending) return <Loading what="the signal" />;
  if (found.isError) return <ErrorFace error={found.error} retry={() => void found.refetch()} />;
  const [first, ...others] = found.data;
  if (first === undefined) return <Unknown address={id} />;
  if (others.length > 0) return <Several ids={found.data} name={id} />;
  return <OneSignal key={first} id={first} address={id} />;
}

function OneSignal({ id, address }: { id: string; address: string }) {
  const project = useProject();
  const story = useQuery({
    queryKey: ["signal", id, "story"],
    queryFn: () => readStory(project, id),
    // Looks at the market send no message of their own: while it runs it is read now and then, too.
    refetchInterval: ({ state }) => state.data && state.data.signal.closed_at === null ? 5_000 : false,
  });
  const traded = (story.data?.positions.length ?? 0) > 0;
  const worth = useQuery({
    queryKey: ["signal", id, "worth"],
    queryFn: () => readWorth(project, id),
    enabled: traded,
  });
  const readAgain = useReadAgain(["signal", id]);
  const listener = {
    onMessage: (payload: unknown) => {
      if (concerns(payload, id)) readAgain();
    },
    onResync: readAgain,
  };
  useLive("signals", listener);
  useLive("trading", listener);

  if (story.isPending) return <Loading what="the story" />;
  // What was read stays readable while the server is away.
  if (story.data === undefined) return <ErrorFace error={story.error} retry={() => void story.refetch()} />;
  if (story.data === null) return <Unknown address={address} />;
  return (
    <article className="signal">
      {story.isError && <ErrorFace error={story.error} retry={() => void story.refetch()} />}
      <Head story={story.data} />
      <WhyPanel story={story.data} />
      <div className="column">
        <section className="panel" aria-labelledby="chart">
          <h2 id="chart">Prices that were seen</h2>
          <SignalChart story={story.data} />
        </section>
        <section className="panel" aria-labelledby="conditions">
          <h2 id="conditions">Matched conditions</h2>
          <MatchedConditions conditions={story.data.signal.matched_conditions} />
        </section>
      </div>
      <div className="column">
        {worth.isError && <ErrorFace error={worth.error} retry={() => void worth.refetch()} />}
        <PositionFacts story={story.data} worth={worth.data ?? null} />
        <section className="panel" aria-labelledby="analysis">
          <h2 id="analysis">Analysis</h2>
          <Analysis story={story.data} />
        </section>
      </div>
      <section className="panel wide" aria-labelledby="orders">
        <h2 id="orders">Orders</h2>
        <OrdersTable story={story.data} />
      </section>
      <section className="panel wide" aria-labelledby="fills">
        <h2 id="fills">Fills</h2>
        <FillsTable story={story.data} />
      </section>
      <Way story={story.data} />
    </article>
  );
}

function Head({ story: { signal, trader } }: { story: Story }) {
  return (
    <header className="wide">
      <h1>
        {signal.name} <Badge tone={STATUS_TONES[signal.status]}>{words(signal.status)}</Badge>{" "}
        <Badge tone={signal.side === "long" ? "good" : "bad"}>{signal.side}</Badge>
      </h1>
      <div className="row">
        <code>{signal.id}</code>
        <CopyButton text={signal.id} what="the id" />
        <span>
          of {trader
            ? <Link to="/traders/$id" params={{ id: trader.id }}>{trader.name}</Link>
            : "a trader that is gone"}
        </span>
        <Link to="/signals" search={{ trader: signal.trader_id }}>Its other signals</Link>
      </div>
      <dl className="facts">
        <Fact name="Fired">
          <Moment value={signal.triggered_at} />
        </Fact>
        <Fact name="At">
          <Price value={signal.initial_price} />
        </Fact>
        <Fact name="Last seen at">
          <Price value={signal.current_price} />
        </Fact>
        <Fact name="Interval">{signal.interval}</Fact>
        <Fact name="Source">{signal.source}{signal.machine && `, ${signal.machine}`}</Fact>
        <Fact name={signal.closed_at ? "From candle to end" : "Age"}>
          {signal.closed_at
            ? span(signal.triggered_at, signal.closed_at)
            : formatAge(Date.now() - Date.parse(signal.created_at))}
        </Fact>
        {signal.tags && signal.tags.length > 0 && <Fact name="Tags">{signal.tags.join(", ")}</Fact>}
      </dl>
    </header>
  );
}

function WhyPanel({ story }: { story: Story }) {
  const why = explain(story);
  return (
    <section className="panel wide why" data-traded={why.traded} aria-label="Why">
      <p>{why.sentence}</p>
      {why.said && <blockquote>{why.said}</blockquote>}
      {why.code && <code className="quiet">{why.code}</code>}
    </section>
  );
}

function Way({ story }: { story: Story }) {
  const way = useMemo(() => steps(story), [story]);
  const wrong = way.filter((step) => step.tone === "bad").length;
  return (
    <section className="panel wide" aria-labelledby="way">
      <h2 id="way">
        From candle to {story.positions.length > 0 ? "fill" : "end"}
        {wrong > 0 && <Badge tone="bad">{wrong === 1 ? "1 error" : `${wrong} errors`}</Badge>}
      </h2>
      <TimelineList steps={way} />
    </section>
  );
}

function Unknown({ address }: { address: string }) {
  return (
    <Empty title="There is no such signal of yours.">
      <p>
        <code>{address}</code>{" "}
        is neither the id nor the name of a signal that you may see. Days after it ended, a signal that was
        not traded is in the archive only.
      </p>
      <Link to="/signals">All signals</Link>
    </Empty>
  );
}

function Several({ ids, name }: { ids: readonly string[]; name: string }) {
  return (
    <section>
      <h1>{name}</h1>
      <p>Several traders fired there at that moment:</p>
      <ul>
        {ids.map((id) => (
          <li key={id}>
            <Link to="/signals/$id" params={{ id }}>{id}</Link>
          </li>
        ))}
      </ul>
    </section>
  );
}
