/**
 * Whether a condition can be used, and where it cannot: the rules of workers/signals/parser.py, so that a form can say
 * at once what the machines would.
 */
import { catalogue, INDICATORS } from "./catalogue.ts";
import type { Call, Figure, Member, Name, Node } from "./grammar.ts";
import { read } from "./grammar.ts";
import {
  before,
  earlier,
  general,
  keyOf,
  takeField,
  takeOutput,
  takeReading,
  type Term,
  TermError,
} from "./term.ts";
import { ConditionError, quote } from "./words.ts";

const LIMITS = catalogue.limits;
const CROSSES = ["crosses_above", "crosses_below"];
const FORBIDDEN = /[^A-Za-z0-9_ .,()<>=!+\-*/[\]@]/u;

/** A number in the tree: fixed, a term, or calculated from others. */
type Numeric = { readonly term: Term } | { readonly operands: readonly Numeric[] };

/** What the conditions of one trader may take together, and have taken so far. */
class Budget {
  parts = 0;
  readonly readings = new Set<string>();
  readonly remembered = new Map<string, number>();
}

/** The texts of all numbers that the condition reads. Raises ConditionError where it cannot be used. */
export function parse(text: string): readonly string[] {
  return parseInto(text, new Budget());
}

/** An error of the conditions of a trader: which of them, from 0, and where in it. */
export interface Fault {
  readonly place: number;
  readonly column: number;
  readonly reason: string;
}

/** The first fault of a trader's conditions, all of which share their limits; null without one. */
export function findFault(texts: readonly string[]): Fault | null {
  const budget = new Budget();
  for (const [place, text] of texts.entries()) {
    try {
      parseInto(text, budget);
    } catch (error) {
      if (!(error instanceof ConditionError)) throw error;
      return { place, column: error.column, reason: error.reason };
    }
  }
  return null;
}

function parseInto(text: string, budget: Budget): readonly string[] {
  const flat = checkText(text);
  const tree = read(flat);
  const terms = new Parser(flat, budget).truth(tree, 1);
  if (terms.length === 0) {
    throw new ConditionError("the condition names no price, no volume and no indicator", tree.start + 1);
  }
  return [...new Map(terms.map((term) => [termKey(term), term.text])).values()];
}

function checkText(text: string): string {
  const letters = [...text].length;
  if (letters > LIMITS.characters) {
    throw new ConditionError(
      `the condition is ${letters} characters long; at most ${LIMITS.characters} are read`,
      1,
    );
  }
  const flat = text.replaceAll(/[\t\n\r]/g, " ");
  if (!flat.trim()) throw new ConditionError("the condition is empty", 1);
  const forbidden = FORBIDDEN.exec(flat);
  if (forbidden) {
    throw new ConditionError(`the character ${quote(forbidden[0])} is not allowed`, forbidden.index + 1);
  }
  return flat;
}

class Parser {
  constructor(private readonly text: string, private readonly budget: Budget) {}

  /** The terms of what is true or false, in order of appearance. */
  truth(node: Node, depth: number): Term[] {
    this.count(node, depth);
    switch (node.is) {
      case "logic":
        return node.operands.flatMap((one) => this.truth(one, depth + 1));
      case "not":
        return this.truth(node.operand, depth + 1);
      case "compared":
        return node.operands.flatMap((one) => termsOf(this.numeric(one, depth + 1)));
      case "call":
        if (node.callee.is === "name" && CROSSES.includes(node.callee.name.toLowerCase())) {
          return this.cross(node, node.callee.name.toLowerCase(), depth);
        }
    }
    this.numeric(node, depth + 1);
    throw this.error(
      `${quote(this.source(node))} is a number, where something true or false is needed: compare it`,
      node,
    );
  }

  private cross(node: Call, name: string, depth: number): Term[] {
    if (node.named.length > 0 || node.values.length !== 2) {
      throw this.error(`${name} takes two numbers, such as ${name}(EMA(12), EMA(26))`, node);
    }
    const now = node.values.flatMap((one) => termsOf(this.numeric(one, depth + 1)));
    if (now.length === 0) throw this.error(`${name} compares two fixed numbers`, node);
    if (now.some((term) => term.offset >= LIMITS.candles_ago)) {
      throw this.error(`${name} looks back more than ${LIMITS.candles_ago} candles`, node);
    }
    const intervals = new Set(now.map((term) => term.interval)).size;
    const then = now.map((term) => before(term, intervals));
    for (const term of then) this.remember(term, node);
    return [...now, ...then];
  }

  private numeric(node: Node, depth: number): Numeric {
    this.count(node, depth);
    switch (node.is) {
      case "figure":
        this.number(node);
        return { operands: [] };
      case "name":
        return { term: this.field(node) };
      case "minus":
        return { operands: [this.numeric(node.operand, depth + 1)] };
      case "calculation":
        return { operands: [this.numeric(node.left, depth + 1), this.numeric(node.right, depth + 1)] };
      case "call":
      case "member":
      case "at":
        return { term: this.term(node, depth) };
      case "item":
        return this.earlier(this.numeric(node.value, depth + 1), node.index, node);
      default:
        throw this.error(
          `${quote(this.source(node))} is true or false, where a number is needed: use parentheses`,
          node,
        );
    }
  }

  private number(node: Figure): number {
    if (node.value > LIMITS.number) {
      throw this.error(`the number is larger than ${general(LIMITS.number)}`, node);
    }
    return node.value;
  }

  private field(node: Name): Term {
    if (catalogue.fields.includes(node.name.toLowerCase())) return takeField(node.name.toLowerCase());
    const name = node.name.toUpperCase();
    if (INDICATORS.has(name)) throw this.error(`${name} is an indicator: write ${name}(…)`, node);
    throw this.error(
      `unknown name ${quote(node.name)}; known are ${catalogue.fields.join(", ")} and the indicators`,
      node,
    );
  }

  private term(node: Extract<Node, { is: "call" | "member" | "at" }>, depth: number): Term {
    let term: Term;
    if (node.is !== "at") {
      term = this.indicator(node, depth);
    } else if (node.value.is === "name" || node.value.is === "call" || node.value.is === "member") {
      this.count(node.value, depth + 1);
      // Fields cost nothing to compute.
      if (node.value.is === "name") return at(this.field(node.value), node.interval);
      term = at(this.indicator(node.value, depth + 1), node.interval);
    } else {
      throw this.error(`@${node.interval} belongs after a field or an indicator, before [n]`, node);
    }
    this.compute(term, node);
    return term;
  }

  /** An indicator, with its output where it has several. `within` counts those that it stands in. */
  private indicator(node: Call | Member, depth: number, within = 0): Term {
    if (within > LIMITS.indicators_within_one_another) {
      throw this.error(
        `indicators stand in one another more than ${LIMITS.indicators_within_one_another} deep`,
        node,
      );
    }
    if (node.is === "member") {
      if (node.value.is !== "call") {
        throw this.error(`${quote(this.source(node))} is not allowed in a condition`, node);
      }
      this.count(node.value, depth + 1);
      const [name, term] = this.call(node.value, depth + 1, within);
      return this.located(node, () => takeOutput(term, name, node.name.toLowerCase()));
    }
    const [name, term] = this.call(node, depth, within);
    const indicator = INDICATORS.get(name)!;
    if (indicator.output === null) {
      const outputs = indicator.all_outputs.join(" or .");
      throw this.error(`${name} has several outputs: write ${name}(…).${outputs}`, node);
    }
    return term;
  }

  private call(node: Call, depth: number, within: number): [string, Term] {
    if (node.callee.is !== "name") {
      throw this.error(`${quote(this.source(node.callee))} cannot be called`, node);
    }
    const name = node.callee.name.toUpperCase();
    if (CROSSES.includes(name.toLowerCase())) {
      throw this.error(`${name.toLowerCase()} is true or false, where a number is needed`, node);
    }
    if (!INDICATORS.has(name)) throw this.error(`unknown indicator ${quote(node.callee.name)}`, node);
    const inputs: Term[] = [];
    const values: number[] = [];
    for (const one of node.values) {
      this.count(one, depth + 1);
      if (values.length > 0 || !["name", "call", "member", "at"].includes(one.is)) {
        values.push(this.argument(one, name));
      } else if (one.is === "name") {
        inputs.push(this.field(one));
      } else if (one.is === "at") {
        throw this.error(`an interval belongs after ${name}(…), not within`, one);
      } else {
        inputs.push(this.indicator(one as Call | Member, depth + 1, within + 1));
      }
    }
    const named = new Map<string, number>();
    for (const [written, value] of node.named) {
      this.count(value, depth + 1);
      const keyword = written.toLowerCase();
      if (named.has(keyword)) throw this.error(`${name} takes ${keyword} twice here`, node);
      named.set(keyword, this.argument(value, name));
    }
    return [name, this.located(node, () => takeReading(name, inputs, values, named))];
  }

  private argument(node: Node, name: string): number {
    if (node.is === "figure") return this.number(node);
    if (node.is === "minus" && node.operand.is === "figure") return -this.number(node.operand);
    throw this.error(
      `${name} takes fields or indicators first, and then plain numbers, not ${quote(this.source(node))}`,
      node,
    );
  }

  private earlier(value: Numeric, index: Node, node: Node): Numeric {
    if (!("term" in value)) throw this.error("[n] belongs after a field or an indicator", node);
    if (index.is !== "figure" || !index.whole) {
      throw this.error("[n] takes a whole number of candles ago, such as close[1]", index);
    }
    this.count(index, 1);
    if (value.term.offset + index.value > LIMITS.candles_ago) {
      throw this.error(`at most ${LIMITS.candles_ago} candles ago can be read`, index);
    }
    const term = earlier(value.term, index.value);
    this.remember(term, index);
    return { term };
  }

  /** Counts the indicators that a term takes, each once for an interval. */
  private compute(term: Term, node: Node): void {
    const waiting = [term.source];
    for (let source = waiting.pop(); source !== undefined; source = waiting.pop()) {
      if (typeof source === "string") continue;
      this.budget.readings.add(`${source.reading.key}@${term.interval}`);
      waiting.push(...source.reading.inputs);
    }
    if (this.budget.readings.size > LIMITS.indicators) {
      throw this.error(`more than ${LIMITS.indicators} indicators are read`, node);
    }
  }

  /** Counts the earlier numbers that a term takes: all those between it and now. */
  private remember(term: Term, node: Node): void {
    const { remembered } = this.budget;
    const key = `${keyOf(term.source)}@${term.interval}`;
    remembered.set(key, Math.max(remembered.get(key) ?? 0, term.offset + (term.beside ? 1 : 0)));
    const all = [...remembered.values()].reduce((sum, one) => sum + one, 0);
    if (all > LIMITS.earlier_numbers) {
      throw this.error(`more than ${LIMITS.earlier_numbers} earlier numbers are read in all`, node);
    }
  }

  private count(node: Node, depth: number): void {
    this.budget.parts += 1;
    if (this.budget.parts > LIMITS.parts) {
      throw this.error(`the condition has more than ${LIMITS.parts} parts`, node);
    }
    if (depth > LIMITS.depth) {
      throw this.error(`the condition is nested more than ${LIMITS.depth} deep`, node);
    }
  }

  private located<T>(node: Node, make: () => T): T {
    try {
      return make();
    } catch (error) {
      if (error instanceof TermError) throw this.error(error.message, node);
      throw error;
    }
  }

  private source(node: Node): string {
    const text = this.text.slice(node.start, node.end);
    return text.length <= 200 ? text : `${text.slice(0, 199)}…`;
  }

  private error(reason: string, node: Node): ConditionError {
    return new ConditionError(reason, node.start + 1);
  }
}

function at(term: Term, interval: string): Term {
  return { ...term, interval, text: `${term.text}@${interval}` };
}

function termsOf(node: Numeric): Term[] {
  return "term" in node ? [node.term] : node.operands.flatMap(termsOf);
}

function termKey({ source, offset, interval, beside }: Term): string {
  return `${keyOf(source)}[${offset}]@${interval}${beside ? " before" : ""}`;
}
