// Hot pages that were just read, for as long as they are true: bounded in number, size and age.

export interface Page {
  body: string;
  etag: string;
}

export interface Bounds {
  entries: number;
  /** Of all bodies together, as JavaScript keeps them: two bytes a letter. */
  bytes: number;
  milliseconds: number;
}

interface Entry {
  page: Page;
  version: string;
  until: number;
  bytes: number;
}

/** Pages by key, the one that was used least lately first to go. A key names whose page it is: see `keyOf`. */
export class PageCache {
  #entries = new Map<string, Entry>();
  #bytes = 0;

  constructor(
    private readonly bounds: Bounds,
    private readonly now: () => number = () => performance.now(),
  ) {}

  get size(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The page, if what it was made of has still this version and it is not too old. */
  get(key: string, version: string): Page | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#drop(key, entry);
    if (entry.version !== version || entry.until <= this.now()) return undefined;
    this.#keep(key, entry);
    return entry.page;
  }

  /**
   * Keeps a page. `version` and `readAt` are of before it was read: what changes meanwhile must not look as if it were
   * in it.
   */
  set(key: string, version: string, page: Page, readAt: number): void {
    const known = this.#entries.get(key);
    if (known !== undefined) this.#drop(key, known);
    const bytes = 2 * (page.body.length + key.length);
    if (bytes > this.bounds.bytes) return;
    this.#keep(key, { page, version, until: readAt + this.bounds.milliseconds, bytes });
    for (const [oldest, entry] of this.#entries) {
      if (this.#entries.size <= this.bounds.entries && this.#bytes <= this.bounds.bytes) break;
      this.#drop(oldest, entry);
    }
  }

  #keep(key: string, entry: Entry): void {
    this.#entries.set(key, entry);
    this.#bytes += entry.bytes;
  }

  #drop(key: string, entry: Entry): void {
    this.#entries.delete(key);
    this.#bytes -= entry.bytes;
  }
}

/** One key for one user and one question, whatever order its parameters came in. */
export function keyOf(userId: string, question: Record<string, unknown>): string {
  const asked = Object.entries(question).filter(([, value]) => value !== undefined).sort(([one], [other]) =>
    one < other ? -1 : 1
  );
  return JSON.stringify([userId, asked]);
}
