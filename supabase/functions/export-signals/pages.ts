// A file made page by page: while one is written, the next is on its way from the database, and no more than that.
// Nothing is read for a client that went away.

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
  let begun = false;
  let coming: Promise<ExportPage<Row>> | undefined;

  function ask(before: string | null): void {
    coming = source.read(before, gone.signal);
    // Whoever awaits it hears of its failure; when nobody does any more, nobody has to.
    coming.catch(() => {});
  }

  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (!begun) {
        begun = true;
        ask(null);
        if (source.head !== "") {
          controller.enqueue(encoder.encode(source.head));
          return;
        }
      }
      // A page may be empty before the end: something has to be sent for this to be called again.
      while (coming !== undefined) {
        const page: ExportPage<Row> = await coming;
        coming = undefined;
        if (page.next !== null) ask(page.next);
        if (page.rows.length > 0) controller.enqueue(encoder.encode(source.write(page.rows)));
        if (page.next !== null && page.rows.length > 0) return;
      }
      controller.close();
    },
    cancel(reason) {
      gone.abort(reason);
    },
  });
}
