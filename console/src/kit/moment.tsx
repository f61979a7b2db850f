/** Times: local to who looks, UTC on hover. */
const TODAY = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hour12: false,
});
const LONGER = new Intl.DateTimeFormat(undefined, {
  year: "numeric",
  month: "2-digit",
  day: "2-digit",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hour12: false,
});

/** Local time as a person reads it; the date too unless it is today's. */
export function formatMoment(moment: Date, now = new Date()): string {
  return moment.toDateString() === now.toDateString() ? TODAY.format(moment) : LONGER.format(moment);
}

/** `2026-11-22 05:53:51 UTC`. */
export function formatUtc(moment: Date): string {
  return `${moment.toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

export function Moment({ value }: { value: string | null | undefined }) {
  if (!value) return <span className="quiet">–</span>;
  const moment = new Date(value);
  return <time dateTime={value} title={formatUtc(moment)} className="number">{formatMoment(moment)}</time>;
}

/** `3 s`, `12 min`, `5 h`, `2 d`: how long, in the unit that says it best. */
export function formatAge(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 90) return `${seconds} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}
