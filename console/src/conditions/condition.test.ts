import { expect, test } from "vitest";
import vectors from "../../../tests/vectors/conditions.json" with { type: "json" };
import { findFault, parse } from "./condition.ts";
import { ConditionError } from "./words.ts";

interface Vector {
  readonly text: string;
  readonly terms?: readonly string[];
  readonly column?: number;
  readonly reason?: string;
}

function read(text: string): Vector {
  try {
    return { text, terms: parse(text) };
  } catch (error) {
    if (!(error instanceof ConditionError)) throw error;
    return { text, column: error.column, reason: error.reason };
  }
}

test("a condition is read as the workers read it, with the same column where it is wrong", () => {
  const known = vectors.conditions as readonly Vector[];
  expect(known.map(({ text }) => read(text))).toEqual(known);
});

test.each(vectors.several)("the conditions of a trader share their limits: $texts", ({ texts, ...said }) => {
  const fault = findFault(texts);
  expect(fault && { place: fault.place, column: fault.column }).toEqual("place" in said ? said : null);
});
