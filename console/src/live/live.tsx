/**
 * What happens now: one private channel a topic, shared by every part of the page.
 *
 * A message is only a wake: whatever could have been missed (before the channel joined, while it was away, or because
 * a message says more than it carries) is caught up over REST by who listens, through `onResync` and the range of ids
 * in the message. Applying the same row twice has to change nothing.
 */
import type { RealtimeChannel } from "@supabase/supabase-js";
import { createContext, type ReactNode, use, useEffect, useMemo, useRef, useState } from "react";
import { answer } from "../app/failure.ts";
import type { Project } from "../project.ts";
import { useProject, useUser } from "../session/session.tsx";

/** connecting: not joined yet; live: every topic is; away: it was, and is being joined again; offline: no network. */
export type Connection = "connecting" | "live" | "away" | "offline";
export type Topic = "signals" | "trading";

export interface Listener {
  /** A message of the topic, as the database sent it. */
  readonly onMessage: (payload: unknown) => void;
  /** Called when something may have been missed since `since` (null: ever): read it again. */
  readonly onResync: (since: Date | null) => void;
}

// The database sends to those who watch; saying so costs a write, and is good for as long as this.
const WATCH_SECONDS = 120;
const RENEW_MILLISECONDS = 50_000;
const TOPICS: readonly Topic[] = ["signals", "trading"];

class Line {
  readonly listeners = new Map<Topic, Set<Listener>>(TOPICS.map((topic) => [topic, new Set()]));
  private readonly joined = new Map<Topic, boolean>();
  private readonly lostAt = new Map<Topic, Date>();
  /** Until when the database sends; null: it has not been told yet that somebody watches. */
  private watchedUntil: Date | null = null;
  private channels: RealtimeChannel[] = [];
  private timer: ReturnType<typeof setInterval> | undefined;

  constructor(
    private readonly project: Project,
    private readonly user: string,
    private readonly tell: (joined: boolean) => void,
  ) {}

  open(): void {
    // Someone who is hidden in a pocket watches nothing, and costs nobody a message.
    const watch = () => {
      if (document.visibilityState === "visible") void this.watch();
    };
    watch();
    this.timer = setInterval(watch, RENEW_MILLISECONDS);
    document.addEventListener("visibilitychange", watch);
    addEventListener("online", watch);
    this.stopWatching = () => {
      document.removeEventListener("visibilitychange", watch);
      removeEventListener("online", watch);
    };
    this.channels = TOPICS.map((topic) =>
      this.project.channel(`user:${this.user}:${topic}`, { config: { private: true } })
        .on("broadcast", { event: topic }, ({ payload }) => this.each(topic, (one) => one.onMessage(payload)))
        .subscribe((status) => this.turn(topic, status === "SUBSCRIBED"))
    );
  }

  close(): void {
    clearInterval(this.timer);
    this.stopWatching();
    for (const channel of this.channels) void this.project.removeChannel(channel);
    this.channels = [];
  }

  private stopWatching = () => {};

  /** Says that somebody watches. When nobody did for a while, what happened in it was not sent, and is caught up. */
  private async watch(): Promise<void> {
    const asked = new Date();
    try {
      answer(await this.project.rpc("watch_signals", { seconds: WATCH_SECONDS }));
    } catch (error) {
      console.warn("watch_signals failed and is asked again:", error);
      return;
    }
    const since = this.watchedUntil;
    this.watchedUntil = new Date(asked.getTime() + WATCH_SECONDS * 1000);
    if (since !== null && asked <= since) return;
    for (const topic of TOPICS) if (this.joined.get(topic)) this.each(topic, (one) => one.onResync(since));
  }

  private turn(topic: Topic, joined: boolean): void {
    const before = this.joined.get(topic) ?? false;
    this.joined.set(topic, joined);
    if (joined && !before) {
      const since = this.lostAt.get(topic) ?? null;
      this.each(topic, (one) => one.onResync(since));
    }
    if (!joined && before) this.lostAt.set(topic, new Date());
    this.tell(TOPICS.every((one) => this.joined.get(one)));
  }

  private each(topic: Topic, call: (listener: Listener) => void): void {
    for (const listener of this.listeners.get(topic) ?? []) call(listener);
  }
}

const LineContext = createContext<{ line: Line; connection: Connection } | null>(null);

/** Joins the channels of whoever is signed in, for as long as it is shown. */
export function LiveProvider({ children }: { children: ReactNode }) {
  const project = useProject();
  const { id } = useUser();
  const [joined, setJoined] = useState<boolean | null>(null);
  const [online, setOnline] = useState(navigator.onLine);
  const line = useMemo(
    () => new Line(project, id, (all) => setJoined((before) => all || (before === null ? null : false))),
    [project, id],
  );

  useEffect(() => {
    line.open();
    return () => line.close();
  }, [line]);

  useEffect(() => {
    const look = () => setOnline(navigator.onLine);
    addEventListener("online", look);
    addEventListener("offline", look);
    return () => {
      removeEventListener("online", look);
      removeEventListener("offline", look);
    };
  }, []);

  const connection: Connection = !online
    ? "offline"
    : joined === null
    ? "connecting"
    : joined
    ? "live"
    : "away";
  const held = useMemo(() => ({ line, connection }), [line, connection]);
  return <LineContext value={held}>{children}</LineContext>;
}

/** The state of the connection, for whoever shows it. */
export function useConnection(): Connection {
  return useLine().connection;
}

/** Listens to a topic while the caller is shown. */
export function useLive(topic: Topic, listener: Listener): void {
  const { line } = useLine();
  const latest = useRef(listener);
  useEffect(() => {
    latest.current = listener;
  });
  useEffect(() => {
    const held: Listener = {
      onMessage: (payload) => latest.current.onMessage(payload),
      onResync: (since) => latest.current.onResync(since),
    };
    const listeners = line.listeners.get(topic)!;
    listeners.add(held);
    return () => void listeners.delete(held);
  }, [line, topic]);
}

function useLine() {
  const held = use(LineContext);
  if (!held) throw new Error("live data outside of LiveProvider");
  return held;
}
