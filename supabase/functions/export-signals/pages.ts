// A file made page by page: never more than one page is held beside the one that is being sent, and nothing is read
// for a client that went away.

export interface ExportPage<Row> {
  rows: Row[];
  /** Where the next page begins; null: there is none. */
  next: string | null;
}

export interface Source<Row> {
  /** Reads the page that begins there; the first for null. */
  read(before: string | null, signal: AbortSignal): Promise<ExportPage<Row>>;
  /** The text of a page's rows. */
  write(rows: readonly Row[]): string;
  /** What stands above the rows. */
  head: string;
}

/** The bytes of all pages. An error on the way breaks the stream off, so that nobody takes a part for the whole. */
export function toStream<Row>(source: Source<Row>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const gone = new AbortController();
  let before: string | null = null;
  let begun = false;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (!begun) {
        begun = true;
        if (source.head !== "") {
          controller.enqueue(encoder.encode(source.head));
          return;
        }
      }
      // A page may be empty before the end: something has to be sent for this to be called again.
      for (;;) {
        const page: ExportPage<Row> = await source.read(before, gone.signal);
        if (page.rows.length > 0) controller.enqueue(encoder.encode(source.write(page.rows)));
        if (page.next === null) {
          controller.close();
          return;
        }
        before = page.next;
        if (page.rows.length > 0) return;
      }
    },
    cancel(reason) {
      gone.abort(reason);
    },
  });
}
