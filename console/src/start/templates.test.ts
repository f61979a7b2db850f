import { expect, test } from "vitest";
import { check } from "../traders/draft.ts";
import { TEMPLATES } from "./templates.ts";

test.each(TEMPLATES)("$title can be saved as it is", ({ draft }) => {
  expect(check(draft)).toEqual({ faults: {}, condition: null });
});
