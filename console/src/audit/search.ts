/** What the address of the page says: which part of it, and which of the trail. */
import { z } from "zod";

export const VIEWS = ["trail", "report", "seals"] as const;
export const KINDS = ["signals", "accounts", "alerts"] as const;
export type View = (typeof VIEWS)[number];
export type Kind = (typeof KINDS)[number];

const Words = z.string().trim().min(1).max(120).optional().catch(undefined);

export const AuditSearch = z.object({
  view: z.enum(VIEWS).optional().catch(undefined),
  kind: z.enum(KINDS).optional().catch(undefined),
  /** The first and the last UTC day. */
  from: z.iso.date().optional().catch(undefined),
  to: z.iso.date().optional().catch(undefined),
  actor: Words,
  event: Words,
});
export type AuditSearch = z.infer<typeof AuditSearch>;

/** The times from the first moment of one UTC day to the last of another; undefined where nothing bounds them. */
export function bounds({ from, to }: { from?: string | undefined; to?: string | undefined }) {
  return {
    from: from === undefined ? undefined : new Date(`${from}T00:00:00Z`),
    to: to === undefined ? undefined : new Date(Date.parse(`${to}T00:00:00Z`) + 86_400_000),
  };
}
