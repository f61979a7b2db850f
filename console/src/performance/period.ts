/** Ranges of whole local days, and the ones before them. */

export interface Period {
  readonly from: Date;
  /** The midnight after the last day. */
  readonly to: Date;
  /** As PostgreSQL writes an interval. */
  readonly bucket: string;
}

const DAY = 86_400_000;

/** The local date of a moment, `2026-11-22`. */
export function dateIn(zone: string, moment: Date): string {
  return new Intl.DateTimeFormat("en-CA", {
    timeZone: zone,
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
  })
    .format(moment);
}

/** The first moment of a local date: midnight, or what comes after where clocks skip it. */
export function midnight(zone: string, date: string): Date {
  const wanted = Date.parse(`${date}T00:00:00Z`);
  // Off by the zone's offset at most; twice, since the offset may change in between.
  let moment = wanted;
  for (let turn = 0; turn < 2; turn++) moment = wanted - offset(zone, moment);
  // Where midnight is skipped this lies in the day before: the day begins when the clock comes to it.
  if (dateIn(zone, new Date(moment)) < date) moment = wanted - offset(zone, moment - DAY / 8);
  return new Date(moment);
}

/** How far a zone's clock is ahead of UTC at a moment, in milliseconds. */
function offset(zone: string, moment: number): number {
  const parts = new Intl.DateTimeFormat("en-US", {
    timeZone: zone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  }).formatToParts(moment);
  const of = (type: string) => Number(parts.find((part) => part.type === type)!.value);
  const local = Date.UTC(of("year"), of("month") - 1, of("day"), of("hour"), of("minute"), of("second"));
  return local - Math.floor(moment / 1000) * 1000;
}

/** A date so many days later. */
export function shift(date: string, days: number): string {
  return new Date(Date.parse(`${date}T00:00:00Z`) + days * DAY).toISOString().slice(0, 10);
}

/** So many days up to and with a local date. */
export function period(zone: string, until: string, days: number): Period {
  return {
    from: midnight(zone, shift(until, 1 - days)),
    to: midnight(zone, shift(until, 1)),
    bucket: days === 1 ? "1 hour" : days <= 7 ? "6 hours" : "1 day",
  };
}

/** The UTC days that a period touches, first and last. */
export function utcDays({ from, to }: Period): { from_day: string; to_day: string } {
  return {
    from_day: from.toISOString().slice(0, 10),
    to_day: new Date(to.getTime() - 1).toISOString().slice(0, 10),
  };
}
