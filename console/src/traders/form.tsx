/** The form of a trader, new or changed. */
import { Plus, X } from "lucide-react";
import { type FormEvent, useMemo, useState } from "react";
import { catalogue } from "../conditions/catalogue.ts";
import { findFault } from "../conditions/condition.ts";
import { ConditionInput } from "../conditions/input.tsx";
import { Button } from "../kit/button.tsx";
import { Choice } from "../kit/choice.tsx";
import { TextField } from "../kit/field.tsx";
import {
  check,
  checkLimits,
  type Draft,
  type Faults,
  type Field,
  LIMITS,
  type Limits,
  type TextField as Text,
} from "./draft.ts";
import { readRefusal, type Refusal } from "./refusal.ts";
import type { Account } from "./trader.ts";

interface Props {
  readonly draft: Draft;
  readonly limits: Limits;
  readonly accounts: readonly Account[];
  readonly action: string;
  /** Stores it; what it raises is shown where it belongs, and what was typed stays. */
  readonly onSave: (draft: Draft, limits: Limits) => Promise<void>;
  readonly onCancel: () => void;
}

const DISTANCES = [["", "none"], ["percentage", "percent"], ["atr", "ATR of 14 candles, times"]] as const;
const DISTANCES_AND_PRICE = [...DISTANCES, ["price", "at a price"]] as const;
const LIMIT_LABELS: Readonly<Record<(typeof LIMITS)[number], string>> = {
  max_positions: "Open positions at most",
  max_notional: "All positions worth at most",
  max_symbol_notional: "One symbol worth at most",
  max_daily_loss: "Loss of a day at most",
  max_drawdown: "Fall from its height at most",
  max_orders_per_minute: "Orders a minute at most",
  reduce_at_percent: "Reduce from this percent of a loss limit",
};

export function TraderForm({ draft: first, limits: firstLimits, accounts, action, onSave, onCancel }: Props) {
  const [draft, setDraft] = useState(first);
  const [limits, setLimits] = useState(firstLimits);
  const [tried, setTried] = useState(false);
  const [busy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState<Refusal | null>(null);
  const plain = useMemo(() => check(draft), [draft]);
  // While one writes a first condition, it is not wrong yet.
  const fault = useMemo(
    () => tried || draft.conditions.some((one) => one.trim()) ? findFault(draft.conditions) : null,
    [draft.conditions, tried],
  );
  const faults: Faults = {
    ...(tried ? { ...plain.faults, ...checkLimits(limits) } : {}),
    ...(refusal?.field ? { [refusal.field]: refusal.message } : {}),
  };

  function set(field: Text, value: string) {
    setDraft((before) => ({ ...before, [field]: value }));
    if (refusal?.field === field) setRefusal(null);
  }

  function setConditions(conditions: readonly string[]) {
    setDraft((before) => ({ ...before, conditions }));
  }

  async function submit(event: FormEvent) {
    event.preventDefault();
    setTried(true);
    setRefusal(null);
    if (Object.keys({ ...plain.faults, ...checkLimits(limits) }).length > 0) return;
    setBusy(true);
    try {
      await onSave(draft, limits);
    } catch (error) {
      setRefusal(readRefusal(error));
    } finally {
      setBusy(false);
    }
  }

  const text = (field: Text, label: string, hint?: string) => (
    <TextField
      label={label}
      value={draft[field]}
      onChange={(value) => set(field, value)}
      error={faults[field as Field]}
      {...(hint === undefined ? {} : { hint })}
    />
  );
  const number = (field: Text, label: string, hint?: string) => (
    <TextField
      label={label}
      inputMode="decimal"
      value={draft[field]}
      onChange={(value) => set(field, value)}
      error={faults[field as Field]}
      {...(hint === undefined ? {} : { hint })}
    />
  );
  const choice = (field: Text, label: string, options: readonly (readonly [string, string])[]) => (
    <Choice
      label={label}
      value={draft[field]}
      onChange={(value) => set(field, value)}
      options={options.map(([value, shown]) => ({ value, label: shown }))}
      error={faults[field as Field]}
    />
  );

  return (
    <form className="stack trader-form" onSubmit={submit} noValidate>
      <fieldset>
        <legend>What it watches</legend>
        {text("name", "Name")}
        {text("symbols", "Symbols", "As the exchange names them, parted by commas.")}
        <div className="fields">
          {choice("market", "Market", [["usdm", "futures in USDT"], ["spot", "spot"]])}
          {choice("interval", "Interval", catalogue.intervals.map((one) => [one, one] as const))}
          {choice("side", "Side", [["long", "long"], ["short", "short"]])}
        </div>
      </fieldset>
      <fieldset>
        <legend>When it fires</legend>
        <p className="quiet">
          At the close of a candle at which all conditions begin to hold. Ctrl+Space or ↓ shows what can be
          written.
        </p>
        {draft.conditions.map((condition, place) => (
          <div className="condition-line" key={place}>
            <ConditionInput
              label={draft.conditions.length === 1 ? "Condition" : `Condition ${place + 1}`}
              value={condition}
              onChange={(value) =>
                setConditions(draft.conditions.map((one, at) => at === place ? value : one))}
              fault={fault?.place === place ? fault : null}
            />
            {draft.conditions.length > 1 && (
              <Button
                kind="icon"
                aria-label={`Remove condition ${place + 1}`}
                onPress={() => setConditions(draft.conditions.filter((_, at) => at !== place))}
              >
                <X aria-hidden />
              </Button>
            )}
          </div>
        ))}
        {faults.conditions && !fault && <p className="wrong">{faults.conditions}</p>}
        {draft.conditions.length < 20 && (
          <Button onPress={() => setConditions([...draft.conditions, ""])}>
            <Plus aria-hidden /> Another condition
          </Button>
        )}
      </fieldset>
      <fieldset>
        <legend>How it trades</legend>
        <div className="fields">
          {choice("default_exchange_account_id", "Account", [
            ["", "none: it fires, and trades nothing"],
            ...accounts.filter((one) => one.market === draft.market).map((one) =>
              [one.id, `${one.name} (${one.venue})`] as const
            ),
          ])}
          {choice("position_size_type", "Size is", [
            ["fixed", "an amount of money"],
            ["percentage", "percent of the equity"],
            ["risk_based", "percent of the equity at risk"],
          ])}
          {number("position_size_value", "Size", "Empty: it trades nothing.")}
          {number("max_concurrent_positions", "Positions at once")}
        </div>
        <div className="fields">
          {choice("stop_loss_type", "Stop loss", DISTANCES_AND_PRICE)}
          {number("stop_loss_value", "Stop loss value")}
          {choice("take_profit_type", "Take profit", DISTANCES_AND_PRICE)}
          {number("take_profit_value", "Take profit value")}
          {choice("trailing_stop_type", "Trailing stop", DISTANCES)}
          {number("trailing_stop_value", "Trailing stop value")}
          {number("max_holding_seconds", "Held at most, in seconds", "Empty: without an end.")}
        </div>
      </fieldset>
      <fieldset>
        <legend>How its signals are judged</legend>
        <div className="fields">
          {number("min_confidence", "Confidence from", "0 to 1")}
          {number("ai_analysis_limit", "Analyses a day", "Empty: without a limit.")}
          {number("monitoring_interval_seconds", "Looked at every, in seconds")}
        </div>
      </fieldset>
      <details>
        <summary>Risk limits of this trader</summary>
        <p className="quiet">
          In the account's currency. What would pass one is not traded; an empty one does not hold.
        </p>
        <div className="fields">
          {LIMITS.map((field) => (
            <TextField
              key={field}
              label={LIMIT_LABELS[field]}
              inputMode="decimal"
              value={limits[field]}
              onChange={(value) => setLimits({ ...limits, [field]: value })}
              error={faults[field]}
            />
          ))}
        </div>
      </details>
      {refusal && (
        <p role="alert" className="notice">
          {refusal.rest}: {refusal.message} {refusal.hint}
        </p>
      )}
      {tried && !refusal && Object.keys(plain.faults).length > 0 && (
        <p role="alert" className="notice">Not saved yet: what is marked above has to be mended first.</p>
      )}
      <div className="row end">
        <Button onPress={onCancel} isDisabled={busy}>Cancel</Button>
        <Button type="submit" kind="primary" isPending={busy}>{action}</Button>
      </div>
    </form>
  );
}
