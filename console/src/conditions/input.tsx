/** One condition, with what can be written next and the place of what is wrong. */
import { useId, useLayoutEffect, useRef, useState } from "react";
import { complete, type Option } from "./completion.ts";
import "./input.css";

interface Props {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  /** What is wrong with it: the column counts from 1. */
  readonly fault: { readonly column: number; readonly reason: string } | null;
}

export function ConditionInput({ label, value, onChange, fault }: Props) {
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  const [options, setOptions] = useState<readonly Option[]>([]);
  const [chosen, setChosen] = useState(0);
  // Where the caret belongs once the text that was accepted is there.
  const caret = useRef<number | null>(null);

  useLayoutEffect(() => {
    if (caret.current === null) return;
    input.current?.setSelectionRange(caret.current, caret.current);
    caret.current = null;
  });

  function offer(text: string, at: number, asked = false) {
    setOptions(complete(text, at, asked));
    setChosen(0);
  }

  function accept(option: Option) {
    const at = input.current?.selectionStart ?? value.length;
    const text = value.slice(0, option.from) + option.insert + value.slice(at);
    caret.current = option.from + option.insert.length;
    onChange(text);
    // What ends in a point or an open parenthesis goes on.
    if (/[.(]$/.test(option.insert)) offer(text, caret.current, true);
    else setOptions([]);
    input.current?.focus();
  }

  function onKeyDown(event: React.KeyboardEvent<HTMLInputElement>) {
    const isOpen = options.length > 0;
    if ((event.key === " " && event.ctrlKey) || (event.key === "ArrowDown" && !isOpen)) {
      event.preventDefault();
      offer(value, event.currentTarget.selectionStart ?? value.length, true);
    } else if (isOpen && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : options.length - 1;
      setChosen((chosen + step) % options.length);
    } else if (isOpen && (event.key === "Enter" || event.key === "Tab")) {
      event.preventDefault();
      accept(options[chosen]!);
    } else if (isOpen && event.key === "Escape") {
      event.stopPropagation();
      setOptions([]);
    }
  }

  function goToFault() {
    const at = Math.min((fault?.column ?? 1) - 1, value.length);
    input.current?.focus();
    input.current?.setSelectionRange(at, Math.min(at + 1, value.length));
  }

  return (
    <div className="condition">
      <label htmlFor={id}>{label}</label>
      <input
        ref={input}
        id={id}
        className="code"
        role="combobox"
        aria-autocomplete="list"
        aria-expanded={options.length > 0}
        aria-controls={`${id}-options`}
        aria-activedescendant={options.length > 0 ? `${id}-${chosen}` : undefined}
        aria-invalid={fault !== null}
        aria-describedby={fault ? `${id}-fault` : undefined}
        autoComplete="off"
        autoCapitalize="off"
        spellCheck={false}
        placeholder="RSI(14) < 30"
        value={value}
        onChange={(event) => {
          onChange(event.target.value);
          offer(event.target.value, event.target.selectionStart ?? event.target.value.length);
        }}
        onKeyDown={onKeyDown}
        onBlur={() => setOptions([])}
      />
      <ul
        id={`${id}-options`}
        role="listbox"
        aria-label={`What ${label} may say here`}
        hidden={!options.length}
      >
        {options.map((option, place) => (
          <li
            key={option.label}
            id={`${id}-${place}`}
            role="option"
            aria-selected={place === chosen}
            ref={(item) => {
              if (place === chosen) item?.scrollIntoView({ block: "nearest" });
            }}
            onMouseDown={(event) => {
              event.preventDefault();
              accept(option);
            }}
          >
            <span className="code">{option.label}</span>
            <span className="quiet">{option.detail}</span>
          </li>
        ))}
      </ul>
      {fault && <Fault id={`${id}-fault`} text={value} fault={fault} onGo={goToFault} />}
    </div>
  );
}

function Fault(
  { id, text, fault, onGo }: {
    id: string;
    text: string;
    fault: { column: number; reason: string };
    onGo: () => void;
  },
) {
  const at = fault.column - 1;
  return (
    <div id={id} className="fault">
      <button type="button" className="code" onClick={onGo} aria-label={`Go to column ${fault.column}`}>
        {text.slice(0, at)}
        <mark>{text.slice(at, at + 1) || "\u00a0"}</mark>
        {text.slice(at + 1)}
      </button>
      <p role="status" className="wrong">Column {fault.column}: {fault.reason}</p>
    </div>
  );
}
