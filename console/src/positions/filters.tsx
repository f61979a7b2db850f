/** What is shown of positions and orders; every choice goes into the address. */
import { words } from "../kit/status.ts";
import { ORDER_STATUSES, type OrderStatus } from "../orders/state.ts";
import type { Account } from "./holdings.ts";
import type { PositionsSearch } from "./search.ts";

interface Props {
  readonly search: PositionsSearch;
  readonly accounts: readonly Account[];
  readonly traders: readonly { id: string; name: string }[];
  readonly onChange: (change: PositionsSearch) => void;
}

export function Filters({ search, accounts, traders, onChange }: Props) {
  const status = search.status?.length === 1 ? search.status[0] : search.status ? "several" : undefined;
  return (
    <form
      className="row filters"
      role="search"
      aria-label="Filters"
      onSubmit={(event) => event.preventDefault()}
    >
      <Choice
        label="Account"
        value={search.account}
        options={accounts.map(({ id, name }) => [id, name])}
        onChange={(account) => onChange({ account })}
      />
      <Choice
        label="Trader"
        value={search.trader}
        options={traders.map(({ id, name }) => [id, name])}
        onChange={(trader) => onChange({ trader })}
      />
      <Choice
        label="Side"
        value={search.side}
        options={[["long", "long"], ["short", "short"]]}
        onChange={(side) => onChange({ side: side as PositionsSearch["side"] })}
      />
      <label className="field">
        Symbol
        <input
          key={search.symbol ?? ""}
          defaultValue={search.symbol ?? ""}
          placeholder="BTCUSDT"
          size={12}
          onBlur={(event) => take(event.currentTarget.value)}
          onKeyDown={(event) => event.key === "Enter" && take(event.currentTarget.value)}
        />
      </label>
      {search.view === "orders" && (
        <Choice
          label="Status"
          value={status}
          options={[
            ...(status === "several" ? [["several", "several"] as const] : []),
            ...ORDER_STATUSES.map((one) => [one, words(one)] as const),
          ]}
          onChange={(one) =>
            one !== "several" && onChange({ status: one === undefined ? undefined : [one as OrderStatus] })}
        />
      )}
    </form>
  );

  function take(text: string): void {
    const symbol = text.trim().toUpperCase();
    if (symbol !== (search.symbol ?? "")) onChange({ symbol: symbol === "" ? undefined : symbol });
  }
}

function Choice({ label, value, options, onChange }: {
  readonly label: string;
  readonly value: string | undefined;
  readonly options: readonly (readonly [string, string])[];
  readonly onChange: (value: string | undefined) => void;
}) {
  return (
    <label className="field">
      {label}
      <select value={value ?? ""} onChange={(event) => onChange(event.currentTarget.value || undefined)}>
        <option value="">all</option>
        {options.map(([id, name]) => <option key={id} value={id}>{name}</option>)}
      </select>
    </label>
  );
}
