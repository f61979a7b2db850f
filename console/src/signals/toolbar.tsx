/** What is asked for: each part of the filter at hand, and what is done with the whole. */
import { useQuery } from "@tanstack/react-query";
import { Search, SlidersHorizontal, X } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { answer } from "../app/failure.ts";
import { Button } from "../kit/button.tsx";
import { Choices } from "../kit/choices.tsx";
import { words } from "../kit/status.ts";
import { useProject } from "../session/session.tsx";
import { COLUMNS } from "./columns.tsx";
import { ExportButton } from "./export-button.tsx";
import { EVERYTHING, type Filter, formatBound, isNarrow, SIDES, SOURCES, STATUSES } from "./filter.ts";
import { Limits } from "./limits.tsx";
import type { Counts } from "./use-feed.ts";

export interface Trader {
  readonly id: string;
  readonly name: string;
  readonly symbols: readonly string[];
}

interface Props {
  readonly filter: Filter;
  readonly onChange: (filter: Filter) => void;
  readonly counts: Counts | null;
  readonly traders: readonly Trader[];
  readonly columns: readonly string[];
  readonly onColumns: (columns: string[]) => void;
}

const NUMBER = new Intl.NumberFormat();
const named = (ids: readonly string[]) => ids.map((id) => ({ id, label: words(id) }));

export function Toolbar({ filter, onChange, counts, traders, columns, onColumns }: Props) {
  const [open, setOpen] = useState(false);
  const outcomes = useOutcomes();
  const change = (part: Partial<Filter>) => onChange({ ...filter, ...part });
  const symbols = [...new Set([...traders.flatMap((trader) => trader.symbols), ...filter.symbols])]
    .toSorted();
  return (
    <div className="signal-tools" role="search" aria-label="Signals">
      <div className="row">
        <SearchField value={filter.search} onChange={(search) => change({ search })} />
        <Choices
          label="Symbol"
          choices={symbols.map((id) => ({ id, label: id }))}
          chosen={filter.symbols}
          onChange={(chosen) => change({ symbols: chosen })}
        />
        <Choices
          label="Trader"
          choices={traders.map(({ id, name }) => ({ id, label: name }))}
          chosen={filter.traders}
          onChange={(chosen) => change({ traders: chosen })}
        />
        <Choices
          label="Outcome"
          choices={outcomes}
          chosen={filter.outcomes}
          onChange={(chosen) => change({ outcomes: chosen })}
        />
        <Button aria-expanded={open} onPress={() => setOpen(!open)}>
          <SlidersHorizontal aria-hidden /> More
        </Button>
        {isNarrow(filter) && (
          <Button
            kind="plain"
            onPress={() => onChange({ ...EVERYTHING, newestFirst: filter.newestFirst })}
          >
            <X aria-hidden /> Clear
          </Button>
        )}
        <span className="space" />
        <Choices
          label="Columns"
          required
          choices={COLUMNS}
          chosen={columns}
          onChange={onColumns}
        />
        <ExportButton filter={filter} columns={columns} />
      </div>
      {open && (
        <div className="row">
          <Choices
            label="Side"
            choices={named(SIDES)}
            chosen={filter.sides}
            onChange={(chosen) => change({ sides: chosen })}
          />
          <Choices
            label="Source"
            choices={named(SOURCES)}
            chosen={filter.sources}
            onChange={(chosen) => change({ sources: chosen })}
          />
          <Limits filter={filter} onChange={change} />
        </div>
      )}
      <div className="row statuses" role="group" aria-label="Status">
        {STATUSES.map((status) => {
          const chosen = filter.statuses.includes(status);
          return (
            <button
              key={status}
              type="button"
              aria-pressed={chosen}
              className="status-chip"
              onClick={() =>
                change({
                  statuses: STATUSES.filter((one) =>
                    one === status ? !chosen : filter.statuses.includes(one)
                  ),
                })}
            >
              {words(status)} <span className="number">{NUMBER.format(counts?.get(status) ?? 0)}</span>
            </button>
          );
        })}
        {(filter.from || filter.to) && (
          <span className="quiet">
            {filter.from && `from ${formatBound(filter.from)}`} {filter.to && `to ${formatBound(filter.to)}`}
          </span>
        )}
      </div>
    </div>
  );
}

const TYPING_MILLISECONDS = 250;

/** `/` goes to it from anywhere on the page; it asks as soon as somebody stops typing. */
function SearchField({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  const field = useRef<HTMLInputElement>(null);
  const due = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => {
    if (document.activeElement !== field.current) field.current!.value = value;
  }, [value]);
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      const typing = (event.target as Element).closest("input, textarea, select, [contenteditable]");
      if (event.key !== "/" || typing || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      field.current?.select();
      field.current?.focus();
    };
    document.addEventListener("keydown", press);
    return () => {
      document.removeEventListener("keydown", press);
      clearTimeout(due.current);
    };
  }, []);
  const ask = () => {
    clearTimeout(due.current);
    if (field.current!.value.trim() !== value) onChange(field.current!.value.trim());
  };
  return (
    <span className="signal-search">
      <Search aria-hidden />
      <input
        ref={field}
        type="search"
        aria-label="Search"
        aria-keyshortcuts="/"
        placeholder="Search in everything it says ( / )"
        maxLength={200}
        defaultValue={value}
        onChange={() => {
          clearTimeout(due.current);
          due.current = setTimeout(ask, TYPING_MILLISECONDS);
        }}
        onKeyDown={(event) => {
          if (event.key === "Enter") ask();
          if (event.key === "Escape") {
            field.current!.value = "";
            ask();
          }
        }}
      />
    </span>
  );
}

function useOutcomes() {
  const project = useProject();
  const { data } = useQuery({
    queryKey: ["outcomes"],
    staleTime: Infinity,
    queryFn: async () => answer(await project.from("outcome_codes").select("code").order("code")),
  });
  return named((data ?? []).map(({ code }) => code));
}
