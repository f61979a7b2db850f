/**
 * From a place in a list of millions to its time and back, by the counts of each hour: nobody counts rows for it. Within
 * an hour signals are taken to be spread evenly, so a place that was jumped to is an estimate, and said to be one.
 */
export interface Hour {
  /** Unix milliseconds of its beginning. */
  readonly at: number;
  readonly count: number;
}

const HOUR = 3_600_000;

/** The hours between two bounds in milliseconds, the first and the last as far as they lie inside. */
export function clip(hours: readonly Hour[], from: number | undefined, to: number | undefined): Hour[] {
  return hours.flatMap((hour) => {
    const begin = Math.max(hour.at, from ?? hour.at);
    const end = Math.min(hour.at + HOUR, to ?? hour.at + HOUR);
    return end <= begin || hour.count <= 0 ? [] : [{ at: hour.at, count: hour.count * (end - begin) / HOUR }];
  });
}

export function total(hours: readonly Hour[]): number {
  return Math.round(hours.reduce((sum, hour) => sum + hour.count, 0));
}

/** The time (Unix milliseconds) of a place in the list, given as its part of the whole from 0 to 1. Hours: oldest first. */
export function timeAt(hours: readonly Hour[], part: number, newestFirst: boolean): number | null {
  const older = Math.min(1, Math.max(0, newestFirst ? 1 - part : part));
  let left = older * hours.reduce((sum, hour) => sum + hour.count, 0);
  for (const hour of hours) {
    if (left <= hour.count) return hour.at + (hour.count === 0 ? 0 : left / hour.count) * HOUR;
    left -= hour.count;
  }
  const last = hours.at(-1);
  return last ? last.at + HOUR : null;
}

/** The part of the whole, from 0 to 1, that stands before a time in the list. */
export function partAt(hours: readonly Hour[], time: number, newestFirst: boolean): number {
  let older = 0;
  let all = 0;
  for (const hour of hours) {
    all += hour.count;
    older += hour.count * Math.min(1, Math.max(0, (time - hour.at) / HOUR));
  }
  if (all === 0) return 0;
  return newestFirst ? 1 - older / all : older / all;
}
