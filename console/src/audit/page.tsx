/** The trail: who did what, all of it as a report, and the seals that keep it honest. */
import { getRouteApi, Link } from "@tanstack/react-router";
import { ReportForm } from "./report-form.tsx";
import { Seals } from "./seals.tsx";
import { type View, VIEWS } from "./search.ts";
import { Trail } from "./trail.tsx";

const VIEW_WORDS: Record<View, string> = { trail: "Who did what", report: "Report", seals: "Seals" };
const route = getRouteApi("/audit");

export function AuditPage() {
  const search = route.useSearch();
  const view = search.view ?? "trail";
  return (
    <div className="stack">
      <h1>Audit</h1>
      <nav className="tabs" aria-label="Parts of the audit">
        {VIEWS.map((one) => (
          <Link
            key={one}
            from="/audit"
            to="."
            search={(known) => ({ ...known, view: one })}
            aria-current={one === view ? "true" : undefined}
          >
            {VIEW_WORDS[one]}
          </Link>
        ))}
      </nav>
      {view === "trail" ? <Trail /> : view === "report" ? <ReportForm search={search} /> : <Seals />}
    </div>
  );
}
