/** Who did what, the latest first: of signals, accounts or alerts. */
import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { type FormEvent } from "react";
import { Empty, ErrorFace, Loading } from "../app/faces.tsx";
import { Button } from "../kit/button.tsx";
import { TextField } from "../kit/field.tsx";
import { Moment } from "../kit/moment.tsx";
import { Scroller } from "../kit/scroller.tsx";
import { useProject } from "../session/session.tsx";
import { type Entry, readEntries } from "./entries.ts";
import { type AuditSearch, type Kind, KINDS } from "./search.ts";

const KIND_WORDS: Record<Kind, string> = { signals: "Signals", accounts: "Accounts", alerts: "Alerts" };
const route = getRouteApi("/audit");

export function Trail() {
  const project = useProject();
  const search = route.useSearch();
  const kind = search.kind ?? "signals";
  const { from, to, actor, event } = search;
  const filter: AuditSearch = { from, to, actor, event };
  const trail = useInfiniteQuery({
    queryKey: ["audit", "trail", kind, filter],
    queryFn: ({ pageParam, signal }) => readEntries(project, kind, filter, pageParam, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.cursor,
  });
  const entries = trail.data?.pages.flatMap((page) => page.entries) ?? [];
  return (
    <section className="panel stack" aria-labelledby="trail">
      <h2 id="trail">Who did what</h2>
      <nav className="tabs" aria-label="Of what">
        {KINDS.map((one) => (
          <Link
            key={one}
            from="/audit"
            to="."
            search={(known) => ({ ...known, kind: one, event: undefined, actor: undefined })}
            replace
            aria-current={one === kind ? "true" : undefined}
          >
            {KIND_WORDS[one]}
          </Link>
        ))}
      </nav>
      <Filter key={JSON.stringify([kind, filter])} kind={kind} filter={filter} />
      {trail.isPending
        ? <Loading what="the trail" />
        : trail.isError
        ? <ErrorFace error={trail.error} retry={() => void trail.refetch()} />
        : entries.length === 0 && !trail.hasNextPage
        ? <Empty title="Nothing of this kind is in your trail." />
        : <Table entries={entries} kind={kind} />}
      {trail.hasNextPage && (
        <div className="row">
          <Button onPress={() => void trail.fetchNextPage()} isPending={trail.isFetchingNextPage}>
            Earlier
          </Button>
        </div>
      )}
    </section>
  );
}

function Filter({ kind, filter }: { kind: Kind; filter: AuditSearch }) {
  const navigate = route.useNavigate();

  function apply(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const of = (name: string) => String(form.get(name) ?? "").trim() || undefined;
    void navigate({
      search: (known) => ({
        ...known,
        from: of("from"),
        to: of("to"),
        actor: of("actor"),
        event: of("event")?.replaceAll(" ", "_"),
      }),
      replace: true,
    });
  }

  return (
    <form className="toolbar" onSubmit={apply} aria-label="Which of the trail">
      <TextField label="From (UTC day)" name="from" type="date" defaultValue={filter.from ?? ""} />
      <TextField label="To" name="to" type="date" defaultValue={filter.to ?? ""} />
      <TextField
        label={kind === "alerts" ? "Seen by" : "Who"}
        name="actor"
        defaultValue={filter.actor ?? ""}
        placeholder="anybody"
      />
      <TextField label="What" name="event" defaultValue={filter.event ?? ""} placeholder="anything" />
      <Button type="submit">Show</Button>
    </form>
  );
}

function Table({ entries, kind }: { entries: readonly Entry[]; kind: Kind }) {
  return (
    <Scroller label="Entries of the trail">
      <table className="grid" data-testid="trail">
        <thead>
          <tr>
            <th scope="col">When</th>
            <th scope="col">What</th>
            <th scope="col">Of</th>
            <th scope="col">{kind === "alerts" ? "Seen by" : "Who"}</th>
            <th scope="col">Details</th>
          </tr>
        </thead>
        <tbody>
          {entries.map((one) => (
            <tr key={one.id}>
              <td>
                <Moment value={one.at} />
              </td>
              <th scope="row">
                <Link from="/audit" to="." search={(known) => ({ ...known, event: one.event })}>
                  {one.what}
                </Link>
              </th>
              <td>
                <Subject entry={one} />
              </td>
              <td>
                {one.actor && (
                  <Link from="/audit" to="." search={(known) => ({ ...known, actor: one.actor })}>
                    {one.actor}
                  </Link>
                )}
              </td>
              <td className="details">{one.details}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroller>
  );
}

function Subject({ entry: { link, subject } }: { entry: Entry }) {
  switch (link.to) {
    case "/signals/$id":
      return <Link to="/signals/$id" params={{ id: link.id }}>{subject}</Link>;
    case "/accounts":
      return <Link to="/accounts" search={{ account: link.id }}>{subject}</Link>;
    case "/machines":
      return <Link to="/machines">{subject}</Link>;
  }
}
