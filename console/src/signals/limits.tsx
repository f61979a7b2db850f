/** The parts of the filter that are typed: time, confidence, machines and tags. */
import { type FormEvent, useState } from "react";
import { Button } from "../kit/button.tsx";
import { TextField } from "../kit/field.tsx";
import { type Filter, resolveMoment } from "./filter.ts";

const SPANS = [["", "any time"], ["15m", "last 15 min"], ["1h", "last hour"], ["24h", "last 24 h"], [
  "7d",
  "last 7 d",
]];

/** `2026-11-22T05:53` as the field of the browser has it, in local time. */
function toField(bound: string): string {
  const at = resolveMoment(bound, Date.now());
  if (at === undefined) return "";
  const local = new Date(at - new Date(at).getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 16);
}

function split(text: string): string[] {
  return [...new Set(text.split(",").map((one) => one.trim()).filter(Boolean))];
}

export function Limits({ filter, onChange }: { filter: Filter; onChange: (part: Partial<Filter>) => void }) {
  const [span, setSpan] = useState(SPANS.some(([value]) => value === filter.from) ? filter.from : "own");

  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const text = (name: string) => String(form.get(name) ?? "").trim();
    const moment = (name: string) => text(name) && new Date(text(name)).toISOString();
    onChange({
      machines: split(text("machines")),
      tags: split(text("tags")),
      minConfidence: text("min"),
      maxConfidence: text("max"),
      from: span === "own" ? moment("from") : span,
      to: span === "own" ? moment("to") : "",
    });
  }

  return (
    <form className="row limits" onSubmit={submit}>
      <label className="field">
        Time
        <select value={span} onChange={(event) => setSpan(event.target.value)}>
          {SPANS.map(([value, label]) => <option key={value} value={value}>{label}</option>)}
          <option value="own">from … to …</option>
        </select>
      </label>
      {span === "own" && (
        <>
          <TextField label="From" name="from" type="datetime-local" defaultValue={toField(filter.from)} />
          <TextField label="To" name="to" type="datetime-local" defaultValue={toField(filter.to)} />
        </>
      )}
      <Confidence label="Least confidence" name="min" value={filter.minConfidence} />
      <Confidence label="Most confidence" name="max" value={filter.maxConfidence} />
      <TextField label="Machines" name="machines" defaultValue={filter.machines.join(", ")} />
      <TextField label="Tags" name="tags" defaultValue={filter.tags.join(", ")} />
      <Button type="submit" kind="primary">Apply</Button>
    </form>
  );
}

function Confidence({ label, name, value }: { label: string; name: string; value: string }) {
  return (
    <label className="field">
      {label}
      <input type="number" name={name} min="0" max="1" step="any" defaultValue={value} />
    </label>
  );
}
