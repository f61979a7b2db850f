/** What a list shows of itself, and what it is told by whoever shows it. */
import type { SignalRow } from "./row.ts";
import type { Window } from "./window.ts";

/** What the page shows. */
export interface Shown {
  readonly window: Window | null;
  /** How many rows passed the head after somebody went on to read, as far as they were counted. */
  readonly waiting: number;
  /** The places of the list: exact at its end, estimated before. */
  readonly places: number;
  /** By how many places all rows have moved since the beginning: whoever scrolls moves along. */
  readonly moved: number;
  /** Something is read that is looked at now. */
  readonly busy: boolean;
  readonly error: unknown;
  /** These are rows from this device, as of then. */
  readonly keptAt: Date | null;
}

/** What is in sight: places of the list. atHead: its very beginning is. */
export interface Sight {
  readonly first: number;
  readonly last: number;
  readonly atHead: boolean;
}

/** What this device remembers of the list. */
export interface Keep {
  read(): Promise<{ rows: SignalRow[]; at: Date } | null>;
  write(rows: readonly SignalRow[]): void;
}

export interface Clock {
  now(): number;
  /** Calls once before the next painting. */
  frame(call: () => void): void;
  /** Calls once after so many milliseconds. */
  later(call: () => void, milliseconds: number): void;
}
