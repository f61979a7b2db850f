import { useId } from "react";

interface Props<Value extends string> {
  readonly label: string;
  readonly value: Value;
  readonly options: readonly { readonly value: Value; readonly label: string }[];
  readonly onChange: (value: Value) => void;
  readonly error?: string | undefined;
}

/** One of few: the device's own list, which every phone and screen reader knows. */
export function Choice<Value extends string>({ label, value, options, onChange, error }: Props<Value>) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <select
        id={id}
        value={value}
        onChange={(event) => onChange(event.target.value as Value)}
        aria-invalid={error !== undefined}
        aria-describedby={error ? `${id}-error` : undefined}
      >
        {options.map((one) => <option key={one.value} value={one.value}>{one.label}</option>)}
      </select>
      {error && <span id={`${id}-error`} className="wrong">{error}</span>}
    </div>
  );
}
