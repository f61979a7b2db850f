import { expect, test } from "vitest";
import { catalogue } from "./catalogue.ts";
import { complete } from "./completion.ts";
import { parse } from "./condition.ts";

const labels = (text: string, asked = false) => complete(text, text.length, asked).map((one) => one.label);

function accept(text: string, label: string): string {
  const option = complete(text, text.length).find((one) => one.label === label)!;
  return text.slice(0, option.from) + option.insert;
}

test("an indicator comes with its defaults", () => {
  expect(accept("close > em", "EMA")).toBe("close > EMA(20)");
  expect(accept("stoch", "STOCH")).toBe("STOCH().");
  expect(accept("ma", "MACD")).toBe("MACD(12, 26, 9)");
});

test("what is written at the beginning of a name comes first, then what is in it or in its title", () => {
  expect(labels("rs")[0]).toBe("RSI");
  expect(labels("bollinger")).toContain("BBANDS_LOWER");
});

test("outputs follow an indicator that has several, and nothing follows one number", () => {
  expect(labels("STOCH(14, slowk_period=3).")).toEqual(["slowk", "slowd"]);
  expect(labels("EMA(MACD(12).si")).toEqual(["macdsignal"]);
  expect(labels("EMA(MACD(12).macd")).toEqual(["macd", "macdsignal", "macdhist"]);
  expect(labels("RSI(14).")).toEqual([]);
});

test("intervals follow @", () => {
  expect(labels("close@")).toEqual(catalogue.intervals);
  expect(labels("close@1")).toContain("15m");
});

test("arguments are offered within an indicator, with their defaults", () => {
  expect(labels("STOCH(slowk_m")).toEqual(["slowk_matype="]);
  expect(accept("RSI(time", "timeperiod=")).toBe("RSI(timeperiod=14");
});

test("after a number only what joins is offered, and nothing within one", () => {
  expect(labels("close > 1 ", true)).toEqual(["and", "or"]);
  expect(labels("close > 1", true)).toEqual([]);
  expect(labels("close > ", true)).toContain("open");
  expect(labels("close > ")).toEqual([]);
});

test("whatever indicator is accepted can be used as it is, once its output is named", () => {
  for (const { name, all_outputs, output } of catalogue.indicators) {
    const text = `${accept(name, name)}${output === null ? all_outputs[0] : ""} > 0 and close > 0`;
    expect(() => parse(text), text).not.toThrow();
  }
});
