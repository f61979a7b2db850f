/** The rows of a filter as a CSV file, straight from the stream of export-signals into the file. */
import { AnsweredError } from "../app/failure.ts";
import type { Project } from "../project.ts";

export interface Progress {
  /** Rows in the file so far. */
  readonly rows: number;
  /** How many to expect; null: nobody knows before the end. */
  readonly total: number | null;
}

const QUOTE = 34;
const LINE_FEED = 10;

/** Counts the lines of CSV that have ended, whatever is cut where; a line feed inside of quotes ends none. */
export function createLineCounter(): (chunk: Uint8Array) => number {
  let quoted = false;
  let lines = 0;
  return (chunk) => {
    for (const byte of chunk) {
      if (byte === QUOTE) quoted = !quoted;
      else if (byte === LINE_FEED && !quoted) lines++;
    }
    return lines;
  };
}

/** Passes bytes on, and tells how many rows (the header is none) have come by. */
export function countRows(tell: (rows: number) => void): TransformStream<Uint8Array, Uint8Array> {
  const count = createLineCounter();
  return new TransformStream({
    transform(chunk, controller) {
      tell(Math.max(0, count(chunk) - 1));
      controller.enqueue(chunk);
    },
  });
}

/**
 * Writes the file. Raises an AbortError when it was cancelled, AnsweredError when the project refused, TypeError when the
 * connection broke: then there is no file, so that nobody takes a part for the whole.
 */
export async function exportCsv(
  project: Project,
  parameters: URLSearchParams,
  tell: (progress: Progress) => void,
  signal: AbortSignal,
): Promise<number> {
  // Asked for before anything else: browsers open their dialog only right after a click.
  const target = await chooseFile();
  const { data } = await project.auth.getSession();
  // The functions' client reads a whole answer before it hands it on; a million rows have to stream.
  const address = `${project["supabaseUrl"]}/functions/v1/export-signals?${parameters}`;
  const said = await fetch(address, {
    headers: {
      apikey: project["supabaseKey"],
      authorization: `Bearer ${data.session?.access_token ?? project["supabaseKey"]}`,
    },
    signal,
  });
  if (!said.ok || !said.body) throw await refusal(said);
  const expected = said.headers.get("x-total-count");
  const total = expected === null ? null : Number(expected);
  let rows = 0;
  tell({ rows, total });
  const counted = said.body.pipeThrough(countRows((now) => tell({ rows: rows = now, total })));
  if (target) await counted.pipeTo(await target.createWritable(), { signal });
  else save(await new Response(counted).blob());
  return rows;
}

async function refusal(said: Response): Promise<AnsweredError> {
  const text = await said.text();
  try {
    const { message, code, hint } = JSON.parse(text) as { message: string; code: string; hint?: string };
    return new AnsweredError({ message, code, hint: hint ?? null }, said.status);
  } catch {
    return new AnsweredError(
      { message: text || `the server answered with status ${said.status}` },
      said.status,
    );
  }
}

interface FileHandle {
  createWritable(): Promise<WritableStream<Uint8Array>>;
}

/** The file that the person names, where the browser can write into one; null elsewhere. */
async function chooseFile(): Promise<FileHandle | null> {
  const { showSaveFilePicker } = window as {
    showSaveFilePicker?: (options: { suggestedName: string }) => Promise<FileHandle>;
  };
  return await showSaveFilePicker?.call(window, { suggestedName: "signals.csv" }) ?? null;
}

function save(file: Blob): void {
  const address = URL.createObjectURL(file);
  const link = document.createElement("a");
  link.href = address;
  link.download = "signals.csv";
  link.click();
  // The browser has begun to read it by then; kept on, it would hold the file's memory.
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
