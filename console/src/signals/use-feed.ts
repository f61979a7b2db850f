/** The list of a filter, live, for as long as it is shown. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo, useRef, useSyncExternalStore } from "react";
import { answer } from "../app/failure.ts";
import { useLive } from "../live/live.tsx";
import { useProject, useUser } from "../session/session.tsx";
import { Feed } from "./feed.ts";
import { asksForStatusAlone, type Filter, isNarrow, resolveMoment } from "./filter.ts";
import { clip } from "./hours.ts";
import { openKeep } from "./kept.ts";
import { createReader } from "./reader.ts";
import { readMessage, type SignalRow } from "./row.ts";
import type { Clock, Shown } from "./shown.ts";

const CLOCK: Clock = {
  now: () => Date.now(),
  // A page that nobody sees is not painted, and must not pile up what arrives.
  frame: (call) => document.hidden ? setTimeout(call, 100) : requestAnimationFrame(call),
  later: (call, milliseconds) => setTimeout(call, milliseconds),
};
/** Counts are read again this long after something changed: often enough to look live, seldom enough to cost little. */
const COUNT_MILLISECONDS = 500;

export function useFeed(
  filter: Filter,
  mostPlaces: number,
): { feed: Feed; shown: Shown; total: number | null } {
  const project = useProject();
  const { id } = useUser();
  const reader = useMemo(() => createReader(project, filter), [project, filter]);
  const feed = useMemo(
    () => new Feed(filter, reader, openKeep(id, !isNarrow(filter) && filter.newestFirst), CLOCK, mostPlaces),
    [filter, reader, id, mostPlaces],
  );
  useEffect(() => {
    feed.start();
    return () => feed.close();
  }, [feed]);
  useLive("signals", {
    onMessage: (payload) => feed.receive(readMessage(payload)),
    onResync: () => feed.catchUp(),
  });

  const counts = useCounts();
  const byStatus = asksForStatusAlone(filter);
  const counted = useQuery({
    queryKey: ["signals", "count", id, filter],
    queryFn: ({ signal }) => reader.count(signal),
    enabled: !byStatus,
  });
  useCountedAgain("count");
  const hours = useQuery({
    queryKey: ["signals", "hours", id, filter.statuses],
    queryFn: ({ signal }) => reader.hours(signal),
    staleTime: 30_000,
    refetchInterval: 60_000,
  });
  const total = byStatus ? counts && sumOf(counts, filter) : counted.data ?? null;
  useEffect(() => {
    const now = Date.now();
    const shape = clip(hours.data ?? [], resolveMoment(filter.from, now), resolveMoment(filter.to, now));
    feed.estimate(total, shape);
  }, [feed, filter, total, hours.data]);

  const shown = useSyncExternalStore(feed.subscribe, feed.snapshot);
  return { feed, shown, total };
}

export type Counts = ReadonlyMap<SignalRow["status"], number>;

function sumOf(counts: Counts, { statuses }: Filter): number {
  let sum = 0;
  for (const [status, count] of counts) if (statuses.length === 0 || statuses.includes(status)) sum += count;
  return sum;
}

/** How many signals there are in each status, as the database counts them; null: not read yet. */
export function useCounts(): Counts | null {
  const project = useProject();
  const { id } = useUser();
  useCountedAgain("counts");
  const counts = useQuery({
    queryKey: ["signals", "counts", id],
    queryFn: async ({ signal }) => {
      const ever = { from_time: "1970-01-01T00:00:00Z", to_time: "9999-01-01T00:00:00Z" };
      const said = answer(await project.rpc("signal_counts_by_status", ever).abortSignal(signal));
      return said.map(({ status, count }) => [status, count] as const);
    },
  });
  return useMemo(() => counts.data ? new Map(counts.data) : null, [counts.data]);
}

/**
 * Counts again after a change, one time at once. A change that comes while somebody counts may not be in it, so that they
 * count once more: when all is quiet, what is shown is right.
 */
function useCountedAgain(kind: "counts" | "count"): void {
  const { id } = useUser();
  const queries = useQueryClient();
  const state = useRef({ counting: false, changed: false });
  const changed = () => {
    const now = state.current;
    now.changed = true;
    if (now.counting) return;
    now.counting = true;
    setTimeout(async () => {
      now.changed = false;
      await queries.invalidateQueries({ queryKey: ["signals", kind, id] });
      now.counting = false;
      if (now.changed) changed();
    }, COUNT_MILLISECONDS);
  };
  useLive("signals", { onMessage: changed, onResync: changed });
}
