/** What can be written at a place of a condition. Pure: text and caret in, options out. */
import { catalogue, type Indicator, INDICATORS } from "./catalogue.ts";
import { show } from "./term.ts";
import { split, type Word } from "./words.ts";

export interface Option {
  readonly label: string;
  /** What it is, shown beside it. */
  readonly detail: string;
  /** What takes the place of the text from `from` to the caret. */
  readonly insert: string;
  readonly from: number;
}

const MOST = 12;
const COMMON = [
  "RSI",
  "EMA",
  "SMA",
  "MACD",
  "ATR",
  "ADX",
  "HIGHEST",
  "LOWEST",
  "BBANDS_LOWER",
  "BBANDS_UPPER",
];
const CROSSES: Readonly<Record<string, string>> = {
  crosses_above: "the first rises above the second at this candle",
  crosses_below: "the first falls below the second at this candle",
};
const LOGIC: Readonly<Record<string, string>> = {
  and: "both hold",
  or: "one of them holds",
  not: "it does not hold",
};

/** The options at the caret, best first. asked: also where nothing of a word is written yet. */
export function complete(text: string, caret: number, asked = false): Option[] {
  const head = text.slice(0, caret);
  const interval = /@([0-9A-Za-z]*)$/.exec(head);
  if (interval) {
    return match(
      interval[1]!,
      caret,
      catalogue.intervals.map((one) => ({ label: one, insert: one, detail: "candles of this length" })),
    );
  }
  const output = /\)\s*\.([A-Za-z_]*)$/.exec(head);
  if (output) return completeOutput(head.slice(0, head.length - output[0].length + 1), output[1]!, caret);
  // Within a number nothing can be completed.
  if (/[0-9.][A-Za-z0-9_.]*$/.test(head) && !/[A-Za-z_][A-Za-z0-9_]*$/.test(head)) return [];
  const written = /[A-Za-z_][A-Za-z0-9_]*$/.exec(head)?.[0] ?? "";
  if (!written && !asked) return [];
  const before = split(head.slice(0, head.length - written.length));
  const found = call(before);
  const named = found ? argumentsOf(found) : [];
  const joins = isAfterValue(before) ? ["and", "or"] : ["not"];
  return match(written, caret, [
    ...named,
    ...(isAfterValue(before) ? [] : names(written)),
    ...(found ? [] : joins.map((one) => ({ label: one, insert: `${one} `, detail: LOGIC[one]! }))),
  ]);
}

type Candidate = Omit<Option, "from"> & { readonly title?: string };

function match(written: string, caret: number, candidates: readonly Candidate[]): Option[] {
  const wanted = written.toLowerCase();
  const rank = ({ label, title = "" }: Candidate) =>
    label.toLowerCase().startsWith(wanted)
      ? 0
      : label.toLowerCase().includes(wanted)
      ? 1
      : wanted.length > 2 && title.toLowerCase().includes(wanted)
      ? 2
      : 3;
  return candidates
    .map((one, place) => ({ one, place, rank: rank(one) }))
    .filter((each) => each.rank < 3)
    .sort((a, b) => a.rank - b.rank || a.place - b.place)
    .slice(0, MOST)
    .map(({ one: { label, insert, detail } }) => ({ label, insert, detail, from: caret - written.length }));
}

function names(written: string): Candidate[] {
  const fields = catalogue.fields.map((one) => ({ label: one, insert: one, detail: "of the candle" }));
  const crosses = Object.entries(CROSSES).map(([one, detail]) => ({ label: one, insert: `${one}(`, detail }));
  const common = COMMON.map((name) => INDICATORS.get(name)!);
  const others = catalogue.indicators.filter((one) => !COMMON.includes(one.name));
  // Whoever has written nothing yet sees what most conditions begin with.
  const indicators = written ? [...common, ...others] : common;
  return [...fields, ...indicators.map(ofIndicator), ...crosses];
}

function ofIndicator(one: Indicator): Candidate {
  const periods = one.parameters.filter((each) => each.whole && !each.name.endsWith("matype"));
  const choosable = one.inputs.filter((each) => each.choosable);
  const needed = choosable.some((each) => each.default === null) ? choosable.map(() => "close") : [];
  // By place only as far as every argument before is a period too.
  const leading = one.parameters.slice(0, periods.length).every((each) => periods.includes(each))
    ? periods.slice(0, 3).map((each) => show(each.default))
    : [];
  const end = one.output === null ? "." : "";
  return {
    label: one.name,
    insert: `${one.name}(${[...needed, ...leading].join(", ")})${end}`,
    detail: `${one.title}: ${one.usage}`,
    title: one.title,
  };
}

function argumentsOf(one: Indicator): Candidate[] {
  return one.parameters.map((each) => ({
    label: `${each.name}=`,
    insert: `${each.name}=${show(each.default)}`,
    detail: each.whole
      ? `whole number from ${each.lowest}, ${show(each.default)} unless said`
      : `${show(each.default)} unless said`,
  }));
}

function completeOutput(upToCall: string, written: string, caret: number): Option[] {
  const words = split(upToCall);
  let depth = 0;
  for (let place = words.length - 1; place >= 0; place--) {
    if (words[place]!.text === ")") depth += 1;
    if (words[place]!.text === "(" && --depth === 0) {
      const one = INDICATORS.get(words[place - 1]?.text.toUpperCase() ?? "");
      if (!one || one.own_name || one.all_outputs.length === 1) return [];
      return match(
        written,
        caret,
        one.all_outputs.map((output) => ({ label: output, insert: output, detail: `of ${one.name}` })),
      );
    }
  }
  return [];
}

/** The indicator within whose parentheses these words end. */
function call(words: readonly Word[]): Indicator | null {
  let depth = 0;
  for (let place = words.length - 1; place >= 0; place--) {
    const { text } = words[place]!;
    if (text === ")") depth += 1;
    else if (text === "(" && depth-- === 0) {
      return INDICATORS.get(words[place - 1]?.text.toUpperCase() ?? "") ?? null;
    }
  }
  return null;
}

/** Whether the last word ends a number or a comparison, so that only what joins can follow. */
function isAfterValue(words: readonly Word[]): boolean {
  const last = words.at(-2);
  if (!last) return false;
  if (last.kind === "name") return !(last.text in LOGIC);
  return last.kind === "number" || last.kind === "interval" || last.text === ")" || last.text === "]";
}
