/** Makes the report of one's own trail as CSV, in the browser, with progress and cancel. */
import { type FormEvent, useEffect, useRef, useState } from "react";
import { judge } from "../app/failure.ts";
import { Button } from "../kit/button.tsx";
import { TextField } from "../kit/field.tsx";
import { formatUtc } from "../kit/moment.tsx";
import { save } from "../kit/save.ts";
import { useProject } from "../session/session.tsx";
import { EVER, type Progress, writeReport } from "./report.ts";
import { type AuditSearch, bounds } from "./search.ts";

type State =
  | { readonly at: "rest" }
  | { readonly at: "work"; readonly progress: Progress | null }
  | { readonly at: "done"; readonly progress: Progress; readonly name: string }
  | { readonly at: "cancelled" }
  | { readonly at: "failed"; readonly message: string };

export function ReportForm({ search }: { search: AuditSearch }) {
  const project = useProject();
  const [state, setState] = useState<State>({ at: "rest" });
  const work = useRef<AbortController | null>(null);
  // Who leaves the page wants no file any more.
  useEffect(() => () => work.current?.abort(), []);

  async function make(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const [first, last] = [String(form.get("from") ?? ""), String(form.get("to") ?? "")];
    const { from, to } = bounds({ from: first || undefined, to: last || undefined });
    const ending = new AbortController();
    work.current = ending;
    let progress: Progress = { signals: 0, events: 0, until: null };
    setState({ at: "work", progress: null });
    try {
      const tell = (now: Progress) => setState({ at: "work", progress: progress = now });
      const file = await writeReport(project, from ?? EVER.from, to ?? EVER.to, tell, ending.signal);
      const name = `trail-${first || "begin"}-${last || "end"}.csv`;
      save(file, name);
      setState({ at: "done", progress, name });
    } catch (error) {
      if (ending.signal.aborted) setState({ at: "cancelled" });
      else {
        const { message, hint } = judge(error);
        setState({ at: "failed", message: `${message} ${hint}`.trim() });
      }
    }
  }

  return (
    <section className="panel stack" aria-labelledby="report">
      <h2 id="report">Report</h2>
      <p>
        Every event of your signals that fired in a time, as CSV with the columns of{" "}
        <code>sigtrail audit report</code>. Days that were archived and compacted hold only the traded signals
        here: that command has all of them.
      </p>
      <form className="toolbar" onSubmit={make}>
        <TextField label="From (UTC day)" name="from" type="date" defaultValue={search.from ?? ""} />
        <TextField label="To, that day included" name="to" type="date" defaultValue={search.to ?? ""} />
        {state.at === "work"
          ? <Button onPress={() => work.current?.abort()}>Cancel</Button>
          : <Button type="submit" kind="primary">Make the report</Button>}
      </form>
      <p role="status" className="number">{told(state)}</p>
      {state.at === "failed" && <p role="alert" className="notice">{state.message}</p>}
    </section>
  );
}

function told(state: State): string {
  switch (state.at) {
    case "work":
      return state.progress === null
        ? "Reading …"
        : `${state.progress.events} events of ${state.progress.signals} signals so far${
          state.progress.until ? `, up to ${formatUtc(new Date(state.progress.until))}` : ""
        } …`;
    case "done":
      return `${state.progress.events} events of ${state.progress.signals} signals are in ${state.name}.`;
    case "cancelled":
      return "Cancelled: no file was written.";
    case "rest":
    case "failed":
      return "";
  }
}
