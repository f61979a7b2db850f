import type { ReactNode } from "react";

export type Tone = "neutral" | "good" | "bad" | "warn" | "info";

/** A state in a word; the tone helps, the word says it. */
export function Badge({ tone = "neutral", children }: { tone?: Tone; children: ReactNode }) {
  return <span className={`badge ${tone}`}>{children}</span>;
}
