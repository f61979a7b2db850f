import { ChevronDown } from "lucide-react";
import { Dialog, DialogTrigger, ListBox, ListBoxItem, Popover, type Selection } from "react-aria-components";
import { Button } from "./button.tsx";

export interface Choice {
  readonly id: string;
  readonly label: string;
}

interface Props {
  readonly label: string;
  readonly choices: readonly Choice[];
  readonly chosen: readonly string[];
  readonly onChange: (chosen: string[]) => void;
  /** At least one stays chosen. */
  readonly required?: boolean;
}

/** Any number of a list, behind a button that says how many. The chosen come in the order of the list. */
export function Choices({ label, choices, chosen, onChange, required = false }: Props) {
  const change = (selection: Selection) =>
    onChange(
      choices.filter(({ id }) => selection === "all" || selection.has(id)).map(({ id }) => id),
    );
  return (
    <DialogTrigger>
      <Button>
        {label}
        {chosen.length > 0 && !required && <span className="badge info">{chosen.length}</span>}
        <ChevronDown aria-hidden />
      </Button>
      <Popover className="popover" placement="bottom start">
        <Dialog aria-label={label}>
          <ListBox
            aria-label={label}
            className="choices"
            selectionMode="multiple"
            // Escape closes; it takes nothing back.
            escapeKeyBehavior="none"
            disallowEmptySelection={required}
            selectedKeys={new Set(chosen)}
            onSelectionChange={change}
            renderEmptyState={() => <span className="quiet">There is none.</span>}
          >
            {choices.map(({ id, label: name }) => (
              <ListBoxItem key={id} id={id} textValue={name} className="choice">{name}</ListBoxItem>
            ))}
          </ListBox>
        </Dialog>
      </Popover>
    </DialogTrigger>
  );
}
