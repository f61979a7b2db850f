import type { ReactNode } from "react";

/** A table that may be wider than the page: it scrolls by itself, also by the keyboard. */
export function Scroller({ label, children }: { label: string; children: ReactNode }) {
  return <div className="scroller" role="region" aria-label={label} tabIndex={0}>{children}</div>;
}
