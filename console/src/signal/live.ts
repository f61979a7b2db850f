/** Which live messages are about one signal. */
import { z } from "zod";

const Message = z.object({
  count: z.number().optional(),
  from_id: z.string().optional(),
  to_id: z.string().optional(),
  orders: z.array(z.object({ signal_id: z.string() })).optional(),
  positions: z.array(z.object({ signal_id: z.string() })).optional(),
});

/** Whether a message may be about this signal. One that cannot be read, or is cut, may be about any. */
export function concerns(payload: unknown, id: string): boolean {
  const message = Message.safeParse(payload);
  if (!message.success) return true;
  const { from_id, to_id, orders, positions, count } = message.data;
  if (from_id !== undefined && to_id !== undefined) return from_id <= id && id <= to_id;
  if (orders === undefined && positions === undefined) return true;
  const told = [...orders ?? [], ...positions ?? []];
  return told.some((one) => one.signal_id === id) ||
    new Set(told.map((one) => one.signal_id)).size < (count ?? 0);
}
