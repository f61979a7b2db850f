import type { Json } from "../database.types.ts";
import { words } from "./status.ts";

/** What an event tells, as words: a reason first, then name and value; what is nested stays as it is written. */
export function tell(value: Json | undefined): string {
  if (value === null || value === undefined) return "";
  if (typeof value !== "object" || Array.isArray(value)) return plain(value);
  const { reason, from, to, at: _at, ...rest } = value;
  const said = [
    reason === undefined ? "" : plain(reason),
    from === undefined && to === undefined ? "" : `${plain(from)} → ${plain(to)}`,
    ...Object.entries(rest).map(([name, one]) => one === null ? "" : `${words(name)} ${plain(one)}`),
  ];
  return said.filter((one) => one !== "").join(" · ");
}

function plain(value: Json | undefined): string {
  if (value === null || value === undefined) return "nothing";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

export function Details({ value }: { value: Json | undefined }) {
  return <span className="details">{tell(value)}</span>;
}
