/** Who did what, of three kinds, as entries of one shape. */
import { answer } from "../app/failure.ts";
import type { Json } from "../database.types.ts";
import { tell } from "../kit/details.tsx";
import { words } from "../kit/status.ts";
import type { Project } from "../project.ts";
import { EVER, readTrailPage } from "./report.ts";
import { type AuditSearch, bounds, type Kind } from "./search.ts";

export interface Entry {
  readonly id: string;
  readonly at: string;
  readonly what: string;
  readonly event: string;
  readonly actor: string;
  /** What it was about, and where that is shown. */
  readonly subject: string;
  readonly link: { readonly to: "/signals/$id" | "/accounts" | "/machines"; readonly id: string };
  readonly details: string;
}

export interface EntryPage {
  readonly entries: readonly Entry[];
  readonly cursor: string | null;
}

const MOST = 100;
/** Signals a page: each has some ten events. */
const SIGNALS = 25;

export function readEntries(
  project: Project,
  kind: Kind,
  filter: AuditSearch,
  cursor: string | null,
  signal: AbortSignal,
): Promise<EntryPage> {
  return READERS[kind](project, filter, cursor, signal);
}

type Reader = (
  project: Project,
  filter: AuditSearch,
  cursor: string | null,
  signal: AbortSignal,
) => Promise<EntryPage>;

const READERS: Record<Kind, Reader> = {
  async signals(project, filter, cursor, signal) {
    const { from, to } = bounds(filter);
    const asked = {
      from: from ?? EVER.from,
      to: to ?? EVER.to,
      newestFirst: true,
      ...(filter.event === undefined ? {} : { events: [filter.event] }),
      ...(filter.actor === undefined ? {} : { workers: [filter.actor] }),
    };
    // What is rare is looked for in larger steps.
    const rare = filter.event !== undefined || filter.actor !== undefined;
    const page = await readTrailPage(project, asked, cursor, rare ? 500 : SIGNALS, signal);
    return {
      cursor: page.cursor,
      entries: page.rows.map((row) => ({
        id: `${row.signal_id} ${row.number}`,
        at: row.occurred_at!,
        what: words(row.event_type!),
        event: row.event_type!,
        actor: row.worker ?? "",
        subject: row.signal!,
        link: { to: "/signals/$id", id: row.signal_id! },
        details: [
          row.to_status &&
          (row.from_status ? `${words(row.from_status)} → ${words(row.to_status)}` : words(row.to_status)),
          row.event_data && tell(JSON.parse(row.event_data) as Json),
          row.error_info && tell(JSON.parse(row.error_info) as Json),
        ].filter(Boolean).join(" · "),
      })),
    };
  },

  async accounts(project, filter, cursor, signal) {
    const { from, to } = bounds(filter);
    let query = project.from("account_events")
      .select("id, account_id, event_type, actor, details, created_at")
      .order("id", { ascending: false }).limit(MOST);
    if (cursor !== null) query = query.lt("id", Number(cursor));
    if (from) query = query.gte("created_at", from.toISOString());
    if (to) query = query.lt("created_at", to.toISOString());
    if (filter.actor !== undefined) query = query.eq("actor", filter.actor);
    if (filter.event !== undefined) query = query.eq("event_type", filter.event);
    const rows = answer(await query.abortSignal(signal));
    return {
      cursor: rows.length < MOST ? null : String(rows.at(-1)!.id),
      entries: rows.map((row) => ({
        id: String(row.id),
        at: row.created_at,
        what: words(row.event_type),
        event: row.event_type,
        actor: row.actor,
        subject: "account",
        link: { to: "/accounts", id: row.account_id },
        details: tell(row.details),
      })),
    };
  },

  async alerts(project, filter, cursor, signal) {
    const { from, to } = bounds(filter);
    let query = project.from("alerts")
      .select("id, kind, title, raised_at, acknowledged_at, acknowledged_by, note, resolved_at, machine_id")
      .order("raised_at", { ascending: false }).limit(MOST);
    if (cursor !== null) query = query.lt("raised_at", cursor);
    if (from) query = query.gte("raised_at", from.toISOString());
    if (to) query = query.lt("raised_at", to.toISOString());
    if (filter.actor !== undefined) query = query.eq("acknowledged_by", filter.actor);
    if (filter.event !== undefined) query = query.eq("kind", filter.event);
    const rows = answer(await query.abortSignal(signal));
    return {
      cursor: rows.length < MOST ? null : rows.at(-1)!.raised_at,
      entries: rows.map((row) => ({
        id: row.id,
        at: row.raised_at,
        what: words(row.kind),
        event: row.kind,
        actor: row.acknowledged_by ?? "",
        subject: row.machine_id ?? "alert",
        link: { to: "/machines", id: row.id },
        details: [row.title, row.note, row.resolved_at && "over"].filter(Boolean).join(" · "),
      })),
    };
  },
};
