/** An open position for tests, as the database tells one. */
import type { Account, Holding } from "./holdings.ts";

export function tellHolding(more: Partial<Holding> = {}): Holding {
  return {
    id: "p1",
    signal_id: "01969abd-0100-8f88-9fdc-4d5691d7003c",
    signal_name: "ETHUSDT-1746352800000",
    trader_id: "t1",
    account_id: "a1",
    symbol: "ETHUSDT",
    normalised_symbol: "ETH/USDT:USDT",
    side: "long",
    amount: "2",
    entry_amount: "2",
    entry_average: "100",
    stop_loss: "98",
    initial_stop_loss: "98",
    take_profit: "104",
    trailing_percent: null,
    liquidation_price: null,
    fees: "0.2",
    realized_pnl: "-0.2",
    exit_reason: null,
    opened_at: "2025-05-04T10:05:00+00:00",
    closes_at: null,
    price: "101",
    price_source: "bridge",
    price_at: "2025-05-04T10:06:00+00:00",
    unprotected_since: null,
    unprotected_reason: null,
    stop: null,
    take: null,
    margin_warning: null,
    margin_warned_at: null,
    ...more,
  };
}

export function tellAccount(more: Partial<Account> = {}): Account {
  return {
    id: "a1",
    name: "Paper",
    venue: "paper",
    market: "usdm",
    sandbox: true,
    status: "active",
    ...more,
  };
}
