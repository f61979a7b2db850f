/**
 * The list as it lives: reads pages around what is looked at, lets live rows in, counts those that wait.
 *
 * One thing is done at a time. What arrives while a page is read waits until it is in, so that a row of the page never
 * covers a later change of it; applying anything twice changes nothing.
 */
import { isWorthRetrying } from "../app/failure.ts";
import { join, type Range, sortArrivals, WHOLE } from "./arrivals.ts";
import { type Filter, passes } from "./filter.ts";
import { type Hour, timeAt } from "./hours.ts";
import type { Reader, Stretch } from "./reader.ts";
import { type ChangeMessage, idFloor, neighbour } from "./row.ts";
import type { Clock, Keep, Shown, Sight } from "./shown.ts";
import { Waiting } from "./waiting.ts";
import * as list from "./window.ts";
import type { Page, Window } from "./window.ts";

export const PAGE_SIZE = 200;
/** Rows in memory. */
export const MOST_ROWS = 1000;
/** So many rows before an edge the next page is asked for. */
const AHEAD = 120;
/** Messages that wait for a painting; with more, everything in sight is read anew instead. */
const MOST_MESSAGES = 200;
const REFRESH_MILLISECONDS = 250;
const COMPLETE_MILLISECONDS = 1000;
const COUNT_MILLISECONDS = 1000;
const RETRY_MILLISECONDS = 3000;

export class Feed {
  private shown: Shown = {
    window: null,
    waiting: 0,
    places: 0,
    moved: 0,
    busy: true,
    error: null,
    keptAt: null,
  };
  private readonly listeners = new Set<() => void>();
  private sight: Sight = { first: 0, last: 30, atHead: true };
  private hours: readonly Hour[] = [];
  private total: number | null = null;
  private inbox: ChangeMessage[] = [];
  private readonly waiting = new Waiting();
  private stale: Range | null = null;
  private wanted: (() => Promise<void>) | null = () => this.readFirst();
  private working = false;
  private closed = false;
  private framed = false;
  private refreshedAt = -Infinity;
  private countedAt = -Infinity;
  private gone = new AbortController();

  constructor(
    private readonly filter: Filter,
    private readonly reader: Reader,
    private readonly keep: Keep | null,
    private readonly clock: Clock,
    /** The most places that can be scrolled through. */
    private readonly mostPlaces: number,
  ) {}

  readonly subscribe = (listener: () => void): () => void => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };
  readonly snapshot = (): Shown => this.shown;

  /** Begins to read; `close` ends it for good. */
  start(): void {
    this.closed = false;
    this.gone = new AbortController();
    this.wake();
  }

  close(): void {
    this.closed = true;
    this.gone.abort();
  }

  /** How many there are, where somebody counted them, and when they fired. */
  estimate(total: number | null, hours: readonly Hour[]): void {
    this.total = total;
    this.hours = hours;
    this.show({});
  }

  get shape(): readonly Hour[] {
    return this.hours;
  }

  look(sight: Sight): void {
    this.sight = sight;
    const { window } = this.shown;
    if (window && !sight.atHead && window.head === null) this.leaveHead(window);
    this.wake();
  }

  /** To the beginning of the list, as it is now. */
  toHead(): void {
    this.want(() => this.readFirst());
  }

  toTail(): void {
    this.want(() => this.readLast());
  }

  /** To a time (Unix milliseconds), which then stands at this place. */
  toTime(time: number, place: number): void {
    this.want(() => this.readAt(time, place));
  }

  /** Everything in sight is read anew: something may have been missed. */
  catchUp(): void {
    const { window, keptAt } = this.shown;
    if (!window || keptAt || (this.sight.atHead && window.head === null)) return this.toHead();
    this.flood();
    this.wake();
  }

  receive(message: ChangeMessage): void {
    this.inbox.push(message);
    if (this.inbox.length > MOST_MESSAGES) this.flood();
    if (this.framed || this.working) return;
    this.framed = true;
    this.clock.frame(() => {
      this.framed = false;
      this.wake();
    });
  }

  private flood(): void {
    this.inbox = [];
    this.stale = WHOLE;
    if (this.waiting.mark !== null) this.waiting.uncounted = true;
  }

  private leaveHead(window: Window): void {
    if (!window.newestFirst || !window.rows[0]) return;
    this.waiting.mark = window.rows[0].id;
    this.place(list.freezeHead(window));
  }

  private want(task: () => Promise<void>): void {
    this.wanted = task;
    // What is being read is not wanted any more.
    this.gone.abort();
    this.gone = new AbortController();
    this.wake();
  }

  private wake(): void {
    if (this.working || this.closed) return;
    this.working = true;
    void this.work();
  }

  private async work(): Promise<void> {
    try {
      while (!this.closed) {
        this.letIn();
        const task = this.next();
        if (!task) break;
        const { signal } = this.gone;
        try {
          await task();
        } catch (error) {
          if (signal.aborted) continue;
          throw error;
        }
      }
      this.show({ busy: false });
    } catch (error) {
      await this.fail(error);
    } finally {
      this.working = false;
    }
  }

  private async fail(error: unknown): Promise<void> {
    if (isWorthRetrying(error)) {
      const kept = this.shown.window ? null : await this.keep?.read();
      if (kept && !this.closed) {
        const now = this.clock.now();
        const rows = kept.rows.filter((row) => passes(this.filter, row, now) !== false)
          .sort((one, other) => list.compare(this.filter.newestFirst, one.id, other.id));
        const window = list.open(this.filter.newestFirst, { rows, until: null }, null, 0);
        this.show({ window, keptAt: kept.at });
      }
      if (!this.shown.window || this.shown.keptAt) this.wanted ??= () => this.readFirst();
      this.clock.later(() => this.wake(), RETRY_MILLISECONDS);
    }
    this.show({ error, busy: false });
  }

  /** What is to be done next, the most urgent first; null: nothing. */
  private next(): (() => Promise<void>) | null {
    if (this.wanted) {
      return async () => {
        const task = this.wanted!;
        await task();
        if (this.wanted === task) this.wanted = null;
      };
    }
    const { window, keptAt } = this.shown;
    if (!window || keptAt) return null;
    const { first, last, atHead } = this.sight;
    const end = window.start + window.rows.length;
    if (atHead && this.waiting.mark !== null) {
      const many = this.waiting.uncounted || this.waiting.size > PAGE_SIZE ||
        window.head !== this.waiting.mark;
      return many ? () => this.readFirst() : () => this.readHead();
    }
    if (window.rows.length > 0 && (first > end + PAGE_SIZE || last < window.start - PAGE_SIZE)) {
      const time = timeAt(this.hours, first / Math.max(1, this.shown.places), window.newestFirst);
      if (time !== null) return () => this.readAt(time, first);
    }
    const partial = this.stale ? null : this.partialInSight(window);
    if (this.stale || partial) {
      // What messages do not carry of a row is no news, and can wait a little longer.
      const pause = this.stale ? REFRESH_MILLISECONDS : COMPLETE_MILLISECONDS;
      const due = this.refreshedAt + pause - this.clock.now();
      if (due <= 0) this.stale ??= partial;
      if (due <= 0) return () => this.readStale();
      this.clock.later(() => this.wake(), due);
    }
    if (window.tail !== null && last > end - AHEAD) return () => this.readTail();
    if (window.head !== null && window.head !== this.waiting.mark && first < window.start + AHEAD) {
      return () => this.readHead();
    }
    if (this.waiting.uncounted && this.waiting.mark !== null) {
      const due = this.countedAt + COUNT_MILLISECONDS - this.clock.now();
      if (due <= 0) return () => this.countWaiting();
      this.clock.later(() => this.wake(), due);
    }
    return null;
  }

  /** The rows in sight that a message alone has told of. */
  private partialInSight({ rows, start }: Window): Range | null {
    const { first, last } = this.sight;
    const partial = rows.slice(Math.max(0, first - start), Math.max(0, last + 1 - start))
      .filter((row) => row.source === undefined).map(({ id }) => id);
    if (partial.length === 0) return null;
    const [one, other] = [partial[0]!, partial.at(-1)!];
    return one < other ? { from: one, to: other } : { from: other, to: one };
  }

  private read(stretch: Stretch, idsAlone = false): Promise<Page> {
    return this.reader.page(stretch, this.gone.signal, idsAlone);
  }

  private async readFirst(): Promise<void> {
    this.show({ busy: true });
    const { newestFirst } = this.filter;
    const page = await this.read({ newestFirst, size: PAGE_SIZE });
    this.waiting.clear();
    this.stale = null;
    this.place(list.open(newestFirst, page, null, 0));
  }

  private async readLast(): Promise<void> {
    this.show({ busy: true });
    const { newestFirst } = this.filter;
    const page = await this.read({ newestFirst: !newestFirst, size: PAGE_SIZE });
    const rows = page.rows.toReversed();
    this.keepMark();
    this.place({
      newestFirst,
      rows,
      start: Math.max(0, this.shown.places - rows.length),
      head: page.until,
      tail: null,
    });
  }

  private async readAt(time: number, place: number): Promise<void> {
    this.show({ busy: true });
    const { newestFirst } = this.filter;
    const edge = idFloor(time);
    const page = await this.read({
      newestFirst,
      size: PAGE_SIZE,
      ...(newestFirst ? { before: edge } : { after: edge }),
    });
    if (page.rows.length === 0 && page.until === null) return await this.readLast();
    this.keepMark();
    this.place(list.open(newestFirst, page, edge, place));
  }

  /** Who goes elsewhere has left the top. */
  private keepMark(): void {
    const { window } = this.shown;
    if (window?.newestFirst && window.head === null) this.waiting.mark ??= window.rows[0]?.id ?? null;
    this.sight = { ...this.sight, atHead: false };
  }

  private async readTail(): Promise<void> {
    const { newestFirst, tail } = this.shown.window!;
    const page = await this.read({ newestFirst, size: PAGE_SIZE, ...this.beyond(newestFirst, tail!) });
    this.place(list.extendTail(this.shown.window!, page));
  }

  private async readHead(): Promise<void> {
    const { newestFirst, head } = this.shown.window!;
    const { mark } = this.waiting;
    // At the top all of it is wanted; on the way there, nothing above the mark.
    const all = this.sight.atHead || mark === null;
    const page = await this.read({
      newestFirst: !newestFirst,
      size: PAGE_SIZE,
      ...this.beyond(!newestFirst, head!),
      ...(all ? {} : { before: neighbour(mark, 1) }),
    });
    const until = page.until ?? (all ? null : mark);
    const window = list.extendHead(this.shown.window!, { rows: page.rows.toReversed(), until });
    if (all && until === null) this.waiting.clear();
    // Who is at the top sees what comes in there; who is elsewhere keeps what they read.
    this.place(this.sight.atHead ? { ...window, start: 0 } : window);
  }

  private beyond(newestFirst: boolean, edge: string): Pick<Stretch, "after" | "before"> {
    return newestFirst ? { before: edge } : { after: edge };
  }

  /** Reads anew what messages said has changed, as far as it is in memory. */
  private async readStale(): Promise<void> {
    const { from, to } = this.stale!;
    this.stale = null;
    this.refreshedAt = this.clock.now();
    const window = this.shown.window!;
    const { newestFirst } = window;
    // In the order of the list: from the first of it that is in memory to the last.
    const [begin, end] = newestFirst ? [to, from] : [from, to];
    const first = begin === null || !list.covers(window, begin) ? window.head : begin;
    const last = end === null || !list.covers(window, end) ? window.tail : end;
    const outside = (begin !== null && window.tail !== null &&
      list.compare(newestFirst, begin, window.tail) > 0) ||
      (end !== null && window.head !== null && list.compare(newestFirst, end, window.head) < 0);
    if (outside) return;
    const following = window.head === null && this.sight.atHead;
    let at = first;
    for (;;) {
      const opening = at === null ? null : neighbour(at, newestFirst ? 1 : -1);
      const closing = last === null ? null : neighbour(last, newestFirst ? -1 : 1);
      const page = await this.read({
        newestFirst,
        size: following ? PAGE_SIZE : MOST_ROWS,
        ...(newestFirst ? { before: opening, after: closing } : { after: opening, before: closing }),
      });
      const reached = page.until ?? last;
      const fresh = list.refresh(this.shown.window!, page.rows, at, reached, this.anchor());
      // At the head only what is in sight matters: what it does not reach is read again on the way down.
      const cut = following && page.until !== null && page.rows.length === PAGE_SIZE;
      this.place(cut ? list.cutTail(fresh, page.until!) : fresh);
      if (page.until === null || cut) return;
      at = page.until;
    }
  }

  private async countWaiting(): Promise<void> {
    this.countedAt = this.clock.now();
    await this.waiting.count((after, size) => this.read({ newestFirst: false, size, after }, true));
    this.show({});
  }

  /** Applies everything that arrived, once for all of it. */
  private letIn(): void {
    const messages = this.inbox;
    const { window, keptAt } = this.shown;
    this.inbox = [];
    if (!window || keptAt || messages.length === 0) return;
    const told = sortArrivals(messages, this.filter, window, this.waiting.mark, this.clock.now());
    if (told.stale) this.stale = this.stale ? join(this.stale, told.stale) : told.stale;
    this.waiting.take(told);
    const anchor = this.anchor();
    const reading = window.rows[anchor]?.id;
    const left = list.remove(window, told.left, anchor);
    this.place(list.merge(left, told.welcome, anchor === 0 || !reading ? 0 : list.indexOf(left, reading)));
  }

  /** The index of the row that must stay where it is; 0 at the head, where new rows show. */
  private anchor(): number {
    const { window } = this.shown;
    if (!window || this.sight.atHead) return 0;
    return Math.min(window.rows.length, Math.max(0, this.sight.first - window.start));
  }

  private place(window: Window): void {
    const around = ((this.sight.first + this.sight.last) >> 1) - window.start;
    const [settled, moved] = list.settle(list.trim(window, around, MOST_ROWS));
    if (moved !== 0) {
      this.sight = { ...this.sight, first: this.sight.first + moved, last: this.sight.last + moved };
    }
    this.show({ window: settled, moved: this.shown.moved + moved, keptAt: null, error: null });
    if (settled.head === null && settled.newestFirst) this.keep?.write(settled.rows);
  }

  private show(change: Partial<Shown>): void {
    const shown = { ...this.shown, waiting: this.waiting.size, ...change };
    this.shown = { ...shown, places: this.places(shown.window) };
    for (const listener of this.listeners) listener();
  }

  private places(window: Window | null): number {
    if (!window) return 0;
    const end = window.start + window.rows.length;
    if (window.tail === null) return end;
    return Math.max(Math.min(this.total ?? 0, this.mostPlaces), end + (window.rows.length > 0 ? AHEAD : 0));
  }
}
