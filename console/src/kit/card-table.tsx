/** A table that becomes a list of cards on a phone. Rows are walked with the arrow keys. */
import type { KeyboardEvent, ReactNode } from "react";
import "./card-table.css";

export interface Column<Row> {
  readonly name: string;
  readonly cell: (row: Row) => ReactNode;
  /** Shown without its name on a card: it speaks for itself. */
  readonly plain?: boolean;
}

interface Props<Row> {
  readonly label: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly rowKey: (row: Row) => string;
  readonly tone?: (row: Row) => "bad" | "warn" | undefined;
  /** A key that was pressed on a row itself, such as Enter. */
  readonly onRowKey?: (row: Row, key: string) => void;
}

export function CardTable<Row>({ label, columns, rows, rowKey, tone, onRowKey }: Props<Row>) {
  // The roles are written out because a table that is displayed as blocks loses them.
  return (
    <table className="grid cards" role="table" aria-label={label}>
      <thead role="rowgroup">
        <tr role="row">
          {columns.map(({ name }) => <th key={name} role="columnheader" scope="col">{name}</th>)}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {rows.map((row) => (
          <tr
            key={rowKey(row)}
            role="row"
            tabIndex={0}
            data-tone={tone?.(row)}
            onKeyDown={(event) => press(event, (key) => onRowKey?.(row, key))}
          >
            {columns.map(({ name, cell, plain }) => (
              <td key={name} role="cell" data-label={plain ? undefined : name}>
                <div>{cell(row)}</div>
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function press(event: KeyboardEvent<HTMLTableRowElement>, tell: (key: string) => void): void {
  // What is inside of a row has keys of its own.
  if (event.target !== event.currentTarget || event.ctrlKey || event.metaKey || event.altKey) return;
  const { previousElementSibling: above, nextElementSibling: below } = event.currentTarget;
  const next = event.key === "ArrowDown" ? below : event.key === "ArrowUp" ? above : null;
  if (next instanceof HTMLElement) {
    event.preventDefault();
    next.focus();
  } else tell(event.key);
}
