import { Download, X } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { judge } from "../app/failure.ts";
import { Button } from "../kit/button.tsx";
import { useProject } from "../session/session.tsx";
import { COLUMNS } from "./columns.tsx";
import { exportCsv, type Progress } from "./export.ts";
import { type Filter, toExport } from "./filter.ts";

const NUMBER = new Intl.NumberFormat();

/** Writes what the filter shows into a file, with the columns that are shown and the id; says how far it is. */
export function ExportButton({ filter, columns }: { filter: Filter; columns: readonly string[] }) {
  const project = useProject();
  const [progress, setProgress] = useState<Progress | null>(null);
  const [said, setSaid] = useState("");
  const running = useRef<AbortController | null>(null);
  useEffect(() => () => running.current?.abort(), []);

  async function begin() {
    const cancel = new AbortController();
    running.current = cancel;
    setSaid("");
    setProgress({ rows: 0, total: null });
    const exported = COLUMNS.filter(({ id }) => columns.includes(id)).map((column) => column.exported);
    try {
      const rows = await exportCsv(
        project,
        toExport(filter, ["id", ...exported], Date.now()),
        setProgress,
        cancel.signal,
      );
      setSaid(`${NUMBER.format(rows)} exported.`);
    } catch (error) {
      const cancelled = error instanceof DOMException && error.name === "AbortError";
      setSaid(cancelled ? "Cancelled: there is no file." : judge(error).message);
    } finally {
      setProgress(null);
    }
  }

  if (!progress) {
    return (
      <>
        <Button onPress={begin}>
          <Download aria-hidden /> Export
        </Button>
        <span role="status" className="quiet">{said}</span>
      </>
    );
  }
  const { rows, total } = progress;
  return (
    <span className="row">
      <progress aria-label="Export" {...(total ? { value: rows, max: total } : {})} />
      <span className="number">
        {NUMBER.format(rows)}
        {total !== null && ` of ${NUMBER.format(total)}`}
      </span>
      <Button kind="icon" aria-label="Cancel the export" onPress={() => running.current?.abort()}>
        <X aria-hidden />
      </Button>
    </span>
  );
}
