import { afterEach, expect, test, vi } from "vitest";
import type { Project } from "../project.ts";
import { createLineCounter, exportCsv, type Progress } from "./export.ts";

const encoder = new TextEncoder();
const CSV = 'id,tags\r\n1,"a\nb ""c"""\r\n2,\r\n3,"x"\r\n';

test("lines are counted wherever the stream is cut; those inside of quotes are none", () => {
  const bytes = encoder.encode(CSV);
  for (let cut = 0; cut <= bytes.length; cut++) {
    const count = createLineCounter();
    count(bytes.slice(0, cut));
    expect(count(bytes.slice(cut))).toBe(4);
  }
});

const project = {
  auth: { getSession: () => Promise.resolve({ data: { session: { access_token: "mine" } } }) },
  supabaseUrl: "https://project.test",
  supabaseKey: "public",
} as unknown as Project;

interface Target {
  text: string;
  state: "open" | "closed" | "aborted";
}

/** A file that the person named. */
function chosen(): Target {
  const target: Target = { text: "", state: "open" };
  const decoder = new TextDecoder();
  vi.stubGlobal("showSaveFilePicker", () =>
    Promise.resolve({
      createWritable: () =>
        Promise.resolve(
          new WritableStream<Uint8Array>({
            write: (chunk) => void (target.text += decoder.decode(chunk)),
            close: () => void (target.state = "closed"),
            abort: () => void (target.state = "aborted"),
          }),
        ),
    }));
  return target;
}
afterEach(() => vi.unstubAllGlobals());

test("the stream goes into the file, and says how far it is", async () => {
  const target = chosen();
  const asked = vi.fn((_address: string, _options: RequestInit) =>
    Promise.resolve(
      new Response(
        new ReadableStream({
          start(controller) {
            for (const part of [CSV.slice(0, 30), CSV.slice(30)]) controller.enqueue(encoder.encode(part));
            controller.close();
          },
        }),
        { headers: { "x-total-count": "3" } },
      ),
    )
  );
  vi.stubGlobal("fetch", asked);
  const told: Progress[] = [];
  const rows = await exportCsv(
    project,
    new URLSearchParams("symbol=A"),
    (one) => told.push(one),
    new AbortController().signal,
  );
  expect(rows).toBe(3);
  expect(target).toEqual({ text: CSV, state: "closed" });
  expect(told.at(0)).toEqual({ rows: 0, total: 3 });
  expect(told.at(-1)).toEqual({ rows: 3, total: 3 });
  expect(asked.mock.calls[0]![0]).toBe("https://project.test/functions/v1/export-signals?symbol=A");
  expect(asked.mock.calls[0]![1].headers).toEqual({ apikey: "public", authorization: "Bearer mine" });
});

test("cancelled on the way, there is no file", async () => {
  const target = chosen();
  const cancel = new AbortController();
  vi.stubGlobal("fetch", () =>
    Promise.resolve(
      new Response(
        new ReadableStream({
          pull(controller) {
            controller.enqueue(encoder.encode("1,2\r\n"));
          },
        }),
      ),
    ));
  const running = exportCsv(
    project,
    new URLSearchParams(),
    ({ rows }) => rows > 3 && cancel.abort(),
    cancel.signal,
  );
  await expect(running).rejects.toMatchObject({ name: "AbortError" });
  expect(target.state).toBe("aborted");
});

test("a refusal says what the project said", async () => {
  chosen();
  vi.stubGlobal(
    "fetch",
    () =>
      Promise.resolve(
        Response.json({ code: "bad_parameter", message: "from must be a day" }, { status: 400 }),
      ),
  );
  await expect(exportCsv(project, new URLSearchParams(), () => {}, new AbortController().signal))
    .rejects.toMatchObject({ message: "from must be a day", status: 400 });
});
