import { useQuery } from "@tanstack/react-query";
import { AnsweredError, judge } from "../app/failure.ts";
import { Confirm } from "../kit/confirm.tsx";
import { useProject } from "../session/session.tsx";
import { useChange } from "./changes.ts";
import type { Trader } from "./trader.ts";

interface Props {
  readonly trader: Trader;
  readonly onClose: () => void;
  readonly onRemoved?: () => void;
}

/** Asks before a trader is deleted, and says what becomes of what it has open and of its past. */
export function RemoveTrader({ trader, onClose, onRemoved }: Props) {
  const project = useProject();
  const change = useChange();
  const open = useQuery({
    queryKey: ["open-of-trader", trader.id],
    staleTime: 0,
    queryFn: async ({ signal }) => {
      const { count, error, status } = await project.from("positions").select("id", {
        count: "exact",
        head: true,
      })
        .eq("trader_id", trader.id).eq("status", "open").abortSignal(signal);
      if (error) throw new AnsweredError(error, status);
      return count ?? 0;
    },
  });
  return (
    <Confirm
      title={`Delete ${trader.name}?`}
      action="Delete it"
      danger
      onClose={onClose}
      onConfirm={async () => {
        await change.mutateAsync({ id: trader.id, row: { status: "deleted" } });
        onRemoved?.();
      }}
    >
      <ul>
        <li>
          It fires no more, from the next candle on. This cannot be undone here: pause it to stop it for a
          while.
        </li>
        <li>
          {open.error
            ? `How many positions are open could not be read: ${judge(open.error).message}`
            : open.data === undefined
            ? "Its open positions are being counted …"
            : open.data === 0
            ? "It has no open position."
            : `${open.data} open position${
              open.data === 1 ? " stays" : "s stay"
            } open, with stop loss and take ` +
              "profit, and run to their end. To close them now, go to Positions."}
        </li>
        <li>Its {trader.total_signals_generated} signals, its trades and their history stay on record.</li>
      </ul>
    </Confirm>
  );
}
