/** The last signals, kept on this device for when there is no network: one set a user, so that nobody sees another's. */
import { get, set } from "idb-keyval";
import { z } from "zod";
import type { SignalRow } from "./row.ts";
import type { Keep } from "./shown.ts";

export const MOST_KEPT = 100;
const WRITE_MILLISECONDS = 2000;

const Kept = z.object({
  at: z.iso.datetime(),
  rows: z.array(z.looseObject({ id: z.string(), triggered_at: z.string(), status: z.string() })),
});

/** writes: whether what is shown is everything, so that its beginning is worth keeping. */
export function openKeep(user: string, writes: boolean): Keep {
  const key = `signals:${user}`;
  let latest: readonly SignalRow[] | null = null;

  async function write() {
    const rows = latest!.slice(0, MOST_KEPT);
    latest = null;
    try {
      await set(key, { at: new Date().toISOString(), rows });
    } catch (error) {
      // A browser that keeps nothing (private, or full) still shows everything while there is a network.
      console.warn("the last signals could not be kept for offline:", error);
    }
  }

  return {
    async read() {
      const kept = Kept.safeParse(await get(key));
      if (!kept.success) return null;
      return { rows: kept.data.rows as unknown as SignalRow[], at: new Date(kept.data.at) };
    },
    write(rows) {
      if (!writes || rows.length === 0) return;
      if (latest === null) setTimeout(() => void write(), WRITE_MILLISECONDS);
      latest = rows;
    },
  };
}
