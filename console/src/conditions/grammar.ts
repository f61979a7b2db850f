/**
 * From the text of a condition to a tree of its words: how it is written, and nothing of what the words mean.
 *
 * The same rules as workers/signals/grammar.py, which says them; tests/vectors/conditions.json holds both to them.
 */
import { catalogue } from "./catalogue.ts";
import { ConditionError, quote, split, type Word } from "./words.ts";

interface Place {
  readonly start: number;
  readonly end: number;
}
export type Figure = Place & { readonly is: "figure"; readonly value: number; readonly whole: boolean };
export type Name = Place & { readonly is: "name"; readonly name: string };
export type Call = Place & {
  readonly is: "call";
  readonly callee: Node;
  readonly values: readonly Node[];
  readonly named: readonly (readonly [string, Node])[];
};
export type Member = Place & { readonly is: "member"; readonly value: Node; readonly name: string };
export type At = Place & { readonly is: "at"; readonly value: Node; readonly interval: string };
export type Item = Place & { readonly is: "item"; readonly value: Node; readonly index: Node };
export type Minus = Place & { readonly is: "minus"; readonly operand: Node };
export type Not = Place & { readonly is: "not"; readonly operand: Node };
export type Calculation = Place & { readonly is: "calculation"; readonly left: Node; readonly right: Node };
export type Compared = Place & { readonly is: "compared"; readonly operands: readonly Node[] };
export type Logic = Place & { readonly is: "logic"; readonly operands: readonly Node[] };
export type Node =
  | Figure
  | Name
  | Call
  | Member
  | At
  | Item
  | Minus
  | Not
  | Calculation
  | Compared
  | Logic;

const MOST_NESTED = 100;
const COMPARE = 4;
const [NOT, SUM, SIGNED] = [3, 5, 7];
const LEVELS: ReadonlyMap<string, number> = new Map([
  ["or", 1],
  ["and", 2],
  ...["<", "<=", ">", ">=", "==", "!="].map((sign) => [sign, COMPARE] as const),
  ["+", SUM],
  ["-", SUM],
  ["*", 6],
  ["/", 6],
]);
const LOGIC = ["or", "and", "not"];

/** The tree of a text. Raises ConditionError where it has none. */
export function read(text: string): Node {
  const reader = new Reader(split(text));
  const tree = reader.expression(1);
  reader.expectEnd();
  return tree;
}

class Reader {
  private place = 0;
  private end = 0;
  private nested = 0;

  constructor(private readonly words: readonly Word[]) {}

  expectEnd(): void {
    if (this.word.kind !== "end") throw this.unexpected();
  }

  /** The longest expression from here on whose operators bind at least so tightly. */
  expression(least: number): Node {
    const { start } = this.word;
    this.nested += 1;
    if (this.nested > MOST_NESTED) {
      throw new ConditionError("the condition is nested too deeply", start + 1);
    }
    let left: Node;
    if (this.stands("-")) {
      this.take();
      left = { is: "minus", operand: this.expression(SIGNED), start, end: this.end };
    } else if (least <= NOT && this.stands("not")) {
      this.take();
      left = { is: "not", operand: this.expression(NOT), start, end: this.end };
    } else {
      left = this.reading();
    }
    for (let level = this.level(); level >= least; level = this.level()) {
      left = this.operation(left, start, level);
    }
    this.nested -= 1;
    return left;
  }

  private operation(left: Node, start: number, level: number): Node {
    if (level >= SUM) {
      this.take();
      return { is: "calculation", left, right: this.expression(level + 1), start, end: this.end };
    }
    const operands = [left];
    while (this.level() === level) {
      this.take();
      operands.push(this.expression(level + 1));
    }
    return { is: level === COMPARE ? "compared" : "logic", operands, start, end: this.end };
  }

  private reading(): Node {
    const { start } = this.word;
    let node = this.atom();
    while (true) {
      if (this.stands("(")) {
        node = this.call(node, start);
      } else if (this.stands("[")) {
        this.take();
        const index = this.expression(1);
        this.expect("]");
        node = { is: "item", value: node, index, start, end: this.end };
      } else if (this.stands(".")) {
        this.take();
        const name = this.word;
        if (name.kind !== "name" || LOGIC.includes(name.text)) throw this.unexpected();
        this.take();
        node = { is: "member", value: node, name: name.text, start, end: this.end };
      } else if (this.word.kind === "interval") {
        node = { is: "at", value: node, interval: this.interval(), start, end: this.end };
      } else {
        return node;
      }
    }
  }

  private atom(): Node {
    const { kind, text, start, end } = this.word;
    if (kind === "number") {
      this.take();
      return { is: "figure", value: Number(text), whole: /^[0-9]+$/.test(text), start, end };
    }
    if (kind === "name" && !LOGIC.includes(text)) {
      this.take();
      return { is: "name", name: text, start, end };
    }
    if (!this.stands("(")) throw this.unexpected();
    this.take();
    const inner = this.expression(1);
    this.expect(")");
    return inner;
  }

  private call(callee: Node, start: number): Call {
    this.take();
    const values: Node[] = [];
    const named: (readonly [string, Node])[] = [];
    while (!this.stands(")")) {
      const begin = this.word.start;
      const one = this.expression(1);
      if (one.is === "name" && this.stands("=")) {
        this.take();
        named.push([one.name, this.expression(1)]);
      } else if (named.length > 0) {
        throw new ConditionError("arguments by name come last", begin + 1);
      } else {
        values.push(one);
      }
      if (!this.stands(",")) break;
      this.take();
    }
    this.expect(")");
    return { is: "call", callee, values, named, start, end: this.end };
  }

  private interval(): string {
    const { text, start } = this.word;
    const interval = text.slice(1);
    if (!catalogue.intervals.includes(interval)) {
      throw new ConditionError(
        `unknown interval ${quote(interval)}; known are ${catalogue.intervals.join(", ")}`,
        start + 1,
      );
    }
    this.take();
    return interval;
  }

  private get word(): Word {
    return this.words[this.place]!;
  }

  private level(): number {
    return LEVELS.get(this.word.text) ?? 0;
  }

  private stands(text: string): boolean {
    return this.word.text === text;
  }

  private expect(sign: string): void {
    if (!this.stands(sign)) throw this.unexpected(sign);
    this.take();
  }

  private take(): void {
    this.end = this.word.end;
    this.place += 1;
  }

  private unexpected(missing = ""): ConditionError {
    return new ConditionError(explain(this.word, missing), this.word.start + 1);
  }
}

function explain({ kind, text }: Word, missing: string): string {
  if (kind === "end") return `this does not parse: ${missing || "something"} is missing at its end`;
  if (kind === "wrong") return `${quote(text)} is not a number`;
  if (text === "@") return "after @ comes an interval, such as close@1h";
  if (text === "**" || text === "//") return "only + - * and / calculate";
  if (text === "is" || text === "in") return "only < <= > >= == and != compare";
  if (text === "=") return "this does not parse: == compares";
  if (kind === "name" && LOGIC.includes(text.toLowerCase()) && !LOGIC.includes(text)) {
    return `this does not parse: write ${text.toLowerCase()} in small letters`;
  }
  return `this does not parse: ${quote(text)} cannot stand here`;
}
