/** What the address of the page says: which days, in whose midnight, of what, and by what it is broken down. */
import { z } from "zod";

export const DAYS = ["1", "7", "30", "90", "365"] as const;
export const DIMENSIONS = ["trader", "symbol", "source", "hour", "outcome"] as const;
export const LIKENESSES = ["signals", "profit", "overlap"] as const;

export type Dimension = (typeof DIMENSIONS)[number];
export type Likeness = (typeof LIKENESSES)[number];

/** Whether this device knows a time zone of this name; the database knows the same ones. */
export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

export const PerformanceSearch = z.object({
  days: z.preprocess((value) => typeof value === "number" ? String(value) : value, z.enum(DAYS)).optional()
    .catch(
      undefined,
    ),
  /** The last day, in the time zone; today without it. */
  until: z.iso.date().optional().catch(undefined),
  zone: z.string().refine(isTimeZone).optional().catch(undefined),
  trader: z.uuid().optional().catch(undefined),
  symbol: z.string().max(40).optional().catch(undefined),
  by: z.enum(DIMENSIONS).optional().catch(undefined),
  likeness: z.enum(LIKENESSES).optional().catch(undefined),
});
export type PerformanceSearch = z.infer<typeof PerformanceSearch>;
