/** How alike traders are, pair by pair: a heat map that is a table, each cell with its figure. */
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Empty, ErrorFace, Loading } from "../app/faces.tsx";
import { formatDecimal } from "../kit/money.tsx";
import { Scroller } from "../kit/scroller.tsx";
import { useProject } from "../session/session.tsx";
import type { Period } from "./period.ts";
import { likenessQuery } from "./queries.ts";
import { type Likeness, LIKENESSES } from "./search.ts";

const WORDS: Record<Likeness, string> = {
  signals: "Fire together",
  profit: "Win together",
  overlap: "Same symbol at once",
};
const MEANS: Record<Likeness, string> = {
  signals: "Correlation of their signals: 1 together, −1 one when the other does not, 0 neither.",
  profit: "Correlation of their profit: 1 together, −1 one when the other loses, 0 neither.",
  overlap: "How often both fired on the same symbol at the same time: 1 always, 0 never.",
};
const COLUMNS = { signals: "signal_correlation", profit: "pnl_correlation", overlap: "overlap" } as const;

/** At most so many: the database compares 20 at once, and more do not fit a page. */
const MOST = 12;

export function LikenessMap(
  { traders, names, span, days, likeness }: {
    traders: readonly string[];
    names: ReadonlyMap<string, string>;
    span: Period;
    days: number;
    likeness: Likeness;
  },
) {
  const chosen = traders.slice(0, MOST);
  const pairs = useQuery(likenessQuery(useProject(), chosen, span, days));
  return (
    <section className="panel stack" aria-labelledby="likeness">
      <h2 id="likeness">How alike traders are</h2>
      <nav className="tabs" aria-label="Compared by">
        {LIKENESSES.map((one) => (
          <Link
            key={one}
            from="/performance"
            to="."
            search={(known) => ({ ...known, likeness: one })}
            replace
            resetScroll={false}
            aria-current={one === likeness ? "true" : undefined}
          >
            {WORDS[one]}
          </Link>
        ))}
      </nav>
      {chosen.length < 2
        ? <Empty title="It takes two traders to compare." />
        : pairs.isPending
        ? <Loading what="the comparison" />
        : pairs.isError
        ? <ErrorFace error={pairs.error} retry={() => void pairs.refetch()} />
        : (
          <Map
            chosen={chosen}
            names={names}
            value={(one, other) =>
              pairs.data.find((pair) =>
                (pair.first_trader_id === one && pair.second_trader_id === other) ||
                (pair.first_trader_id === other && pair.second_trader_id === one)
              )?.[COLUMNS[likeness]] ?? null}
          />
        )}
      <p className="quiet">
        {MEANS[likeness]}
        {traders.length > MOST && ` Those ${MOST} that fired most.`}
      </p>
    </section>
  );
}

function Map(
  { chosen, names, value }: {
    chosen: readonly string[];
    names: ReadonlyMap<string, string>;
    value: (one: string, other: string) => string | null;
  },
) {
  return (
    <Scroller label="Traders compared">
      <table className="grid heat" data-testid="likeness">
        <thead>
          <tr>
            <td />
            {chosen.map((one) => <th key={one} scope="col">{names.get(one)}</th>)}
          </tr>
        </thead>
        <tbody>
          {chosen.map((one) => (
            <tr key={one}>
              <th scope="row">{names.get(one)}</th>
              {chosen.map((other) => {
                const told = one === other ? null : value(one, other);
                return (
                  <td key={other} className="figure number" style={{ background: shade(told) }}>
                    {one === other
                      ? <span className="quiet">same</span>
                      : told === null
                      ? "–"
                      : formatDecimal(told, 2)}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </Scroller>
  );
}

// At most 35 %, so that the figure on it stays readable in both themes.
function shade(value: string | null): string | undefined {
  if (value === null) return undefined;
  const part = Math.round(Math.abs(Number(value)) * 35);
  return `color-mix(in srgb, var(${value.startsWith("-") ? "--loss" : "--gain"}) ${part}%, transparent)`;
}
