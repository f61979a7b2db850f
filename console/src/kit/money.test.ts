import { expect, test } from "vitest";
import { formatDecimal } from "./money.tsx";

test("every digit stays, whatever a float would make of it", () => {
  expect(formatDecimal("12345678901234567890.123456789012345678")).toBe(
    "12\u202f345\u202f678\u202f901\u202f234\u202f567\u202f890.123456789012345678",
  );
});

test("a rounded loss of nothing has no sign", () => {
  expect(formatDecimal("-0.001", 2)).toBe("0.00");
  expect(formatDecimal("-0.005", 2)).toBe("0.00");
  expect(formatDecimal("-0.015", 2)).toBe("\u22120.02");
});
