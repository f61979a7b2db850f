/** The rows that came after somebody left the top of the list: counted, and not let in before they come back. */
import type { Arrivals } from "./arrivals.ts";
import type { Page } from "./window.ts";

/** Counted one by one up to here: beyond it nobody wants to know exactly. */
export const MOST_WAITING = 1000;

export class Waiting {
  /** The newest id when the reader left the top. Null: they are there, and nothing waits. */
  mark: string | null = null;
  /** More wait than were named. */
  uncounted = false;
  private ids = new Set<string>();

  get size(): number {
    return this.ids.size;
  }

  take({ left, waiting, uncounted }: Arrivals): void {
    for (const id of left) this.ids.delete(id);
    for (const id of waiting) if (this.ids.size < MOST_WAITING) this.ids.add(id);
    this.uncounted ||= uncounted;
  }

  clear(): void {
    this.mark = null;
    this.uncounted = false;
    this.ids = new Set();
  }

  /** Counts anew, as far as is counted. read: the ids after one, the oldest first. */
  async count(read: (after: string, size: number) => Promise<Page>): Promise<void> {
    this.uncounted = false;
    let edge = this.mark;
    const counted = new Set<string>();
    while (edge !== null && counted.size < MOST_WAITING) {
      const page: Page = await read(edge, MOST_WAITING);
      for (const { id } of page.rows) counted.add(id);
      edge = page.until;
    }
    if (this.mark !== null) this.ids = counted;
  }
}
