/** The numbers that a condition reads. The rules are those of workers/signals/indicators.py. */
import { catalogue, type Indicator, INDICATORS, type Parameter } from "./catalogue.ts";
import { type Arguments, lookBack } from "./lookback.ts";
import { quote } from "./words.ts";

/** One TA-Lib function on certain inputs with certain arguments. */
export interface Reading {
  readonly function: string;
  readonly inputs: readonly Source[];
  readonly given: Arguments;
  /** How many candles of history its first value takes, inputs and all. */
  readonly needs: number;
  /** The same for the same reading, however it was written. */
  readonly key: string;
}

export interface Output {
  readonly reading: Reading;
  readonly place: number;
}

/** A field's name, or an output of a reading. */
export type Source = string | Output;

/** A field or an indicator's output, `offset` candles ago; `interval` is null for the trader's own. */
export interface Term {
  readonly source: Source;
  readonly offset: number;
  readonly interval: string | null;
  readonly text: string;
  /** Set for a number as it was one candle before, where candles of several intervals meet. */
  readonly beside: boolean;
}

/** Raised by what a term cannot be; the parser says where it stands. */
export class TermError extends Error {}

export function takeField(name: string): Term {
  return { source: name, offset: 0, interval: null, text: name, beside: false };
}

export function keyOf(source: Source): string {
  return typeof source === "string" ? source : `${source.reading.key}.${source.place}`;
}

/** The same number, `by` candles before. */
export function earlier(term: Term, by: number): Term {
  const offset = term.offset + by;
  const stem = term.offset ? term.text.slice(0, term.text.lastIndexOf("[")) : term.text;
  return { ...term, offset, text: offset ? `${stem}[${offset}]` : stem };
}

/** The same number as it was known one candle before, among numbers of so many intervals. */
export function before(term: Term, intervals: number): Term {
  return intervals === 1 ? earlier(term, 1) : { ...term, beside: true, text: `${term.text} before` };
}

/** The output of this name of an indicator, whose term was made without one. */
export function takeOutput(term: Term, name: string, output: string): Term {
  const indicator = INDICATORS.get(name)!;
  if (indicator.own_name || indicator.all_outputs.length === 1) {
    throw new TermError(`${name} is one number: nothing follows it but @ and [n]`);
  }
  const place = indicator.all_outputs.indexOf(output);
  if (place < 0 || typeof term.source === "string") {
    throw new TermError(
      `${name} has no output ${quote(output)}; it has ${indicator.all_outputs.join(", ")}`,
    );
  }
  return { ...term, source: { reading: term.source.reading, place }, text: `${term.text}.${output}` };
}

/** The term of an indicator: of these inputs (else its own), with these arguments by place and by name. */
export function takeReading(
  name: string,
  inputs: readonly Term[],
  values: readonly number[],
  named: ReadonlyMap<string, number>,
): Term {
  const indicator = INDICATORS.get(name)!;
  const sources = chooseInputs(indicator, inputs);
  const chosen = chooseValues(indicator, values, named);
  const own = inputs.every((one, place) => one.source === indicator.inputs[place]!.default);
  const shown = inputs.length > 0 && !own
    ? inputs.map((one) => one.text)
    : name === "HIGHEST" || name === "LOWEST"
    ? sources.map(String)
    : [];
  shown.push(...chosen.map(show));
  const reading = complete(indicator, sources, chosen);
  checkBounds(indicator, chosen);
  checkHistory(indicator, reading);
  const source: Output = { reading, place: indicator.output ?? 0 };
  return { source, offset: 0, interval: null, text: `${name}(${shown.join(", ")})`, beside: false };
}

function chooseInputs(indicator: Indicator, inputs: readonly Term[]): Source[] {
  const free = indicator.inputs.filter((one) => one.choosable).length;
  if (inputs.length > free) {
    const reads = indicator.inputs.map((one) => one.default ?? "None").join(", ");
    if (free === 0) throw new TermError(`${indicator.name} reads ${reads} and takes no other field`);
    const most = free === 1 ? "one other field" : `${free} other fields`;
    throw new TermError(`${indicator.name} reads ${reads} and takes at most ${most}`);
  }
  return indicator.inputs.map((one, place) => {
    const source = inputs[place]?.source ?? one.default;
    if (source === null) {
      throw new TermError(
        `${indicator.name} needs its ${indicator.inputs.length} inputs: ${indicator.usage}`,
      );
    }
    return source;
  });
}

function chooseValues(
  { name, parameters }: Indicator,
  values: readonly number[],
  named: ReadonlyMap<string, number>,
): number[] {
  if (values.length > parameters.length) {
    const takes = `${parameters.length} number${parameters.length === 1 ? "" : "s"}`;
    throw new TermError(`${name} takes at most ${takes}, not ${values.length}`);
  }
  const chosen = new Map(values.map((value, place) => [parameters[place]!.name, value]));
  for (const [keyword, value] of named) {
    if (!parameters.some((one) => one.name === keyword)) {
      const known = parameters.map((one) => one.name).join(", ") || "none";
      throw new TermError(`${name} has no argument ${quote(keyword)}; it has ${known}`);
    }
    if (chosen.has(keyword)) throw new TermError(`${name} takes ${keyword} twice here`);
    chosen.set(keyword, value);
  }
  return parameters.map((one) => check(name, one, chosen.get(one.name) ?? one.default));
}

function check(name: string, parameter: Parameter, value: number): number {
  if (parameter.whole && !Number.isInteger(value)) {
    throw new TermError(`${name}: ${parameter.name} is a whole number, not ${general(value)}`);
  }
  const most = catalogue.limits.argument;
  if (Math.abs(value) > most) {
    throw new TermError(
      `${name}: ${parameter.name} is ${general(value)}; at most ${general(most)} makes sense`,
    );
  }
  return value;
}

/** All arguments of the function, so that what is the same is computed once. */
function complete(indicator: Indicator, inputs: readonly Source[], chosen: readonly number[]): Reading {
  const { parameters } = INDICATORS.get(indicator.function)!;
  const given = Object.fromEntries(parameters.map((one) => [one.name, one.default]));
  indicator.parameters.forEach((one, place) => {
    given[one.name] = chosen[place]!;
    // The two sides of our own bands are equally wide.
    if (indicator.own_name && one.name === "nbdevup") given["nbdevdn"] = chosen[place]!;
  });
  const inner = inputs.map((one) => typeof one === "string" ? 0 : one.reading.needs - 1);
  const values = parameters.map((one) => given[one.name]);
  return {
    function: indicator.function,
    inputs,
    given,
    needs: lookBack(indicator.function, given) + 1 + Math.max(0, ...inner),
    key: `${indicator.function}(${[...inputs.map(keyOf), ...values].join(",")})`,
  };
}

// Its second period begins at the first, whose own bounds the catalogue tells for the second's default.
const PERIODS = { lowest: 1, highest: 100_000 };

function checkBounds({ name, function: computed, parameters }: Indicator, chosen: readonly number[]): void {
  if (computed === "MAVP") {
    const [least, most] = chosen as [number, number];
    if (least > most) throw new TermError(`${name}: these arguments do not go together`);
  }
  parameters.forEach((one, place) => {
    const value = chosen[place]!;
    const { lowest, highest } = computed === "MAVP" && one.name.endsWith("period") ? PERIODS : one;
    if (one.whole && value < lowest) {
      throw new TermError(`${name}: ${one.name} is ${general(value)}; it begins at ${lowest}`);
    }
    if (value < lowest || value > highest) {
      throw new TermError(`${name}: ${one.name} cannot be ${general(value)}`);
    }
  });
}

function checkHistory({ name }: Indicator, { needs }: Reading): void {
  const most = catalogue.limits.candles_of_history;
  if (needs > most) {
    throw new TermError(`${name} would need ${needs} candles of history; at most ${most} are kept`);
  }
}

/** A number as Python's repr writes it, without the point of a whole one. */
export function show(value: number): string {
  const small = value !== 0 && Math.abs(value) < 1e-4;
  return small ? twoDigits(value.toExponential()) : String(value);
}

/** A number as Python's `:g` writes it. */
export function general(value: number): string {
  if (value === 0) return Object.is(value, -0) ? "-0" : "0";
  const exponent = Math.floor(Math.log10(Math.abs(value)));
  if (exponent < -4 || exponent >= 6) {
    return twoDigits(value.toExponential(5).replace(/\.?0+e/, "e"));
  }
  const fixed = value.toPrecision(6);
  return fixed.includes(".") ? fixed.replace(/\.?0+$/, "") : fixed;
}

function twoDigits(exponential: string): string {
  return exponential.replace(/e([+-])(\d)$/, "e$10$2");
}
