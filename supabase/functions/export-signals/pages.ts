// A file made page by page: while one is written, the next is on its way from the database, and no more than that.
// Nothing is read for a client that went away.

export interface ExportPage {
  /** Its lines, each with its end. */
  body: string;
  /** Where the next page begins; null: there is none. */
  next: string | null;
}

export interface Source {
  /** Reads the page that begins there; the first for null. */
  read(before: string | null, signal: AbortSignal): Promise<ExportPage>;
  /** What stands above the rows. */
  head: string;
}

/** The bytes of all pages. An error on the way breaks the stream off, so that nobody takes a part for the whole. */
export function toStream(source: Source): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const gone = new AbortController();
  let begun = false;
  let coming: Promise<ExportPage> | undefined;

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
        const page: ExportPage = await coming;
        coming = undefined;
        if (page.next !== null) ask(page.next);
        if (page.body !== "") controller.enqueue(encoder.encode(page.body));
        if (page.next !== null && page.body !== "") return;
      }
      controller.close();
    },
    cancel(reason) {
      gone.abort(reason);
    },
  });
}
