/** From the text of a condition to its words. The rules are those of workers/signals/grammar.py. */
export interface Word {
  readonly kind: "number" | "name" | "interval" | "sign" | "wrong" | "end";
  readonly text: string;
  /** Where it stands, from 0. */
  readonly start: number;
  readonly end: number;
}

/** Raised where a text says no condition. `column` counts from 1 in the text as it was given. */
export class ConditionError extends Error {
  constructor(readonly reason: string, readonly column: number) {
    super(`column ${column}: ${reason}`);
    this.name = "ConditionError";
  }
}

const WORD =
  / *(?:((?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)([A-Za-z0-9_.]*)|([A-Za-z_][A-Za-z0-9_]*)|(@[0-9]+[A-Za-z]+)|(\*\*|\/\/|[<>=!]=|.))/g;

/** All words of a text without other white space than blanks; the last one has the kind `end`. */
export function split(text: string): Word[] {
  const written = text.trimEnd();
  const words: Word[] = [];
  for (const found of written.matchAll(WORD)) {
    const [all, number, rest, name, interval] = found;
    const word = all.trimStart();
    const end = found.index + all.length;
    const kind = number !== undefined
      ? (rest ? "wrong" : "number")
      : name !== undefined
      ? "name"
      : interval !== undefined
      ? "interval"
      : "sign";
    words.push({ kind, text: word, start: end - word.length, end });
  }
  words.push({ kind: "end", text: "", start: written.length, end: written.length });
  return words;
}

const CONTROL = /\p{Cc}/gu;

/** A text as Python's repr shows it, for those that conditions may have. */
export function quote(text: string): string {
  const shown = text.replaceAll(CONTROL, (sign) => `\\x${sign.charCodeAt(0).toString(16).padStart(2, "0")}`);
  return shown.includes("'") && !shown.includes('"') ? `"${shown}"` : `'${shown}'`;
}
