/**
 * The list on the screen: as tall as all of it, with only the rows in sight.
 *
 * Positions are places of the list times one height, so nothing is measured and nothing grows with the number of rows. A
 * place that is not in memory is paper with lines on it until its page is there; the label beside the bar says its time.
 */
import { type KeyboardEvent, useEffect, useLayoutEffect, useRef, useState } from "react";
import { formatMoment } from "../kit/moment.tsx";
import type { Column } from "./columns.tsx";
import type { Feed } from "./feed.ts";
import { timeAt } from "./hours.ts";
import { RowView } from "./row-view.tsx";
import type { Shown } from "./shown.ts";
import { usePull } from "./use-pull.ts";
import { MOST_WAITING } from "./waiting.ts";
import { indexOf } from "./window.ts";

export const ROW_HEIGHT = 32;
export const CARD_HEIGHT = 92;
/** Browsers cannot lay out pages taller than this, with room to spare. */
export const MOST_PIXELS = 30_000_000;
const HEAD_HEIGHT = 32;
const OVERSCAN = 6;
// As signals.css has them, in pixels: between two columns, and beside the outer ones.
const GAP = 12;
const PADDING = 8;

interface Props {
  readonly feed: Feed;
  readonly shown: Shown;
  readonly newestFirst: boolean;
  readonly columns: readonly Column[];
  readonly traders: ReadonlyMap<string, string>;
  readonly card: boolean;
  readonly onOpen: (id: string) => void;
  /** The other order, newest or oldest first. */
  readonly onOrder: () => void;
}

/** What the columns need at least, so that head and rows are of one width however narrow the window is. */
function leastWidth(columns: readonly { readonly width: string }[]): number {
  return columns.reduce((sum, { width }) => sum + Number.parseInt(/\d+/.exec(width)![0]) + GAP, 2 * PADDING);
}

export function SignalTable({ feed, shown, newestFirst, columns, traders, card, onOpen, onOrder }: Props) {
  const height = card ? CARD_HEIGHT : ROW_HEIGHT;
  const headHeight = card ? 0 : HEAD_HEIGHT;
  const scroller = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ first: 0, count: 30 });
  const [active, setActive] = useState<string | null>(null);
  const moved = useRef(shown.moved);
  const pull = usePull(scroller, () => feed.toHead());
  const { window: held, places } = shown;

  function look() {
    const element = scroller.current!;
    const first = Math.floor(element.scrollTop / height);
    const count = Math.ceil((element.clientHeight - headHeight) / height) + 1;
    setView((before) => before.first === first && before.count === count ? before : { first, count });
    feed.look({ first, last: first + count, atHead: element.scrollTop < height });
  }
  const latest = useRef(look);
  useLayoutEffect(() => {
    latest.current = look;
  });

  useEffect(() => {
    const observer = new ResizeObserver(() => latest.current());
    observer.observe(scroller.current!);
    return () => observer.disconnect();
  }, []);

  // Rows were renumbered: what is read stays where it is on the screen.
  useLayoutEffect(() => {
    const by = shown.moved - moved.current;
    moved.current = shown.moved;
    if (by === 0) return;
    scroller.current!.scrollTop += by * height;
    latest.current();
  }, [shown.moved, height]);

  const from = Math.max(0, view.first - OVERSCAN);
  const rows = held
    ? held.rows.slice(
      Math.max(0, from - held.start),
      Math.max(0, view.first + view.count + OVERSCAN - held.start),
    )
    : [];
  const top = held ? Math.max(from, held.start) : 0;

  function activate(index: number) {
    const row = held?.rows[Math.max(0, Math.min(index, held.rows.length - 1))];
    if (!held || !row) return;
    setActive(row.id);
    const element = scroller.current!;
    const y = (held.start + indexOf(held, row.id)) * height;
    const room = element.clientHeight - headHeight - height;
    if (y < element.scrollTop) element.scrollTop = y;
    else if (y > element.scrollTop + room) element.scrollTop = y - room;
  }

  function press(event: KeyboardEvent) {
    if (event.ctrlKey || event.metaKey || event.altKey || !held) return;
    const at = active === null ? -1 : indexOf(held, active);
    const known = held.rows[at]?.id === active;
    const sight = view.first - held.start;
    const step = Math.max(1, view.count - 2);
    const moves: Record<string, () => void> = {
      ArrowDown: () => activate(known ? at + 1 : sight),
      ArrowUp: () => activate(known ? at - 1 : sight),
      PageDown: () => activate((known ? at : sight) + step),
      PageUp: () => activate((known ? at : sight) - step),
      Home: () => {
        setActive(null);
        scroller.current!.scrollTop = 0;
        if (held.head !== null) feed.toHead();
      },
      End: () => {
        setActive(null);
        if (held.tail !== null) feed.toTail();
        scroller.current!.scrollTop = scroller.current!.scrollHeight;
      },
      Enter: () => known && onOpen(active!),
    };
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    move();
  }

  const away = held !== null && held.rows.length > 0 &&
    (view.first > held.start + held.rows.length || view.first + view.count < held.start);
  const time = away ? timeAt(feed.shape, view.first / Math.max(1, places), newestFirst) : null;

  return (
    <div className="signal-list">
      {pull > 0 && <div className="pull" role="status" style={{ height: pull }}>Let go to read again</div>}
      <div
        ref={scroller}
        role="grid"
        aria-label="Signals"
        aria-rowcount={places + 1}
        aria-colcount={card ? 1 : columns.length}
        aria-busy={shown.busy}
        aria-activedescendant={active !== null && rows.some(({ id }) => id === active)
          ? `signal-${active}`
          : undefined}
        tabIndex={0}
        className={card ? "signal-scroller cards" : "signal-scroller"}
        style={{
          "--tracks": columns.map(({ width }) => width).join(" "),
          "--least": card ? "0" : `${leastWidth(columns)}px`,
          "--row": `${height}px`,
        } as object}
        onScroll={look}
        onKeyDown={press}
        onClick={(event) => {
          const row = (event.target as Element).closest<HTMLElement>("[data-id]");
          if (row) onOpen(row.dataset["id"]!);
        }}
      >
        <div role="rowgroup" className="signal-head">
          <div role="row" aria-rowindex={1}>
            {columns.map(({ id, label, align }) => (
              <div
                key={id}
                role="columnheader"
                className={align}
                aria-sort={id !== "time" ? undefined : newestFirst ? "descending" : "ascending"}
              >
                {id === "time"
                  ? (
                    <button
                      type="button"
                      aria-label={`Time, ${newestFirst ? "newest" : "oldest"} first. Turn round`}
                      onClick={onOrder}
                    >
                      {label} {newestFirst ? "↓" : "↑"}
                    </button>
                  )
                  : label}
              </div>
            ))}
          </div>
        </div>
        <div role="rowgroup" className="signal-paper" style={{ height: places * height }}>
          <div role="presentation" className="signal-sheet" style={{ top: top * height }}>
            {rows.map((row, index) => (
              <RowView
                key={row.id}
                row={row}
                place={top + index}
                columns={columns}
                traders={traders}
                active={row.id === active}
                card={card}
              />
            ))}
          </div>
        </div>
      </div>
      {time !== null && <div className="signal-time">about {formatMoment(new Date(time))}</div>}
      {shown.waiting > 0 && view.first > 0 && (
        <button
          type="button"
          className="signal-pill"
          onClick={() => {
            scroller.current!.scrollTop = 0;
            feed.toHead();
          }}
        >
          {shown.waiting >= MOST_WAITING ? `${MOST_WAITING}+` : shown.waiting} new
        </button>
      )}
    </div>
  );
}
