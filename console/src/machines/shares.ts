/** Shares of a market's symbols, told by who holds them. */

export interface Share {
  readonly venue: string;
  readonly market: string;
  readonly share: number;
  readonly machine_id: string | null;
  readonly leased_until: string | null;
  readonly evaluated_to: number | null;
}

export interface Holding {
  readonly venue: string;
  readonly market: string;
  /** Null for shares that nobody holds now. */
  readonly machine: string | null;
  readonly shares: string;
  readonly count: number;
  /** Up to here everything of them was evaluated, Unix milliseconds. */
  readonly evaluatedTo: number | null;
}

/** Gathers shares by market and holder; a lease that ran out is nobody's. */
export function holdings(shares: readonly Share[], now: number): Holding[] {
  const found = new Map<string, Share[]>();
  for (const one of shares) {
    const holder = one.leased_until !== null && Date.parse(one.leased_until) >= now ? one.machine_id : null;
    const key = JSON.stringify([one.venue, one.market, holder]);
    const known = found.get(key);
    if (known) known.push(one);
    else found.set(key, [one]);
  }
  return [...found].map(([key, all]) => {
    const [venue, market, machine] = JSON.parse(key) as [string, string, string | null];
    const marks = all.flatMap((one) => one.evaluated_to === null ? [] : [one.evaluated_to]);
    return {
      venue,
      market,
      machine,
      shares: runs(all.map((one) => one.share)),
      count: all.length,
      evaluatedTo: marks.length === 0 ? null : Math.min(...marks),
    };
  });
}

/** `0-2 5 7-8`. */
function runs(numbers: readonly number[]): string {
  const told: [number, number][] = [];
  for (const one of numbers.toSorted((a, b) => a - b)) {
    const last = told.at(-1);
    if (last && last[1] === one - 1) last[1] = one;
    else told.push([one, one]);
  }
  return told.map(([first, last]) => first === last ? `${first}` : `${first}-${last}`).join(" ");
}
