/** Where one arrives: at the signals, or at the first steps while there is no trader. */
import { useQuery } from "@tanstack/react-query";
import { Navigate } from "@tanstack/react-router";
import { Loading } from "../app/faces.tsx";
import { answer } from "../app/failure.ts";
import { useProject, useUser } from "../session/session.tsx";
import { hasSkipped } from "./skipped.ts";

export function HomePage() {
  const project = useProject();
  const { id } = useUser();
  const { data, error } = useQuery({
    queryKey: ["has-traders", id],
    enabled: !hasSkipped(id),
    // Offline, or with a server that is away, the signals say so better than this page.
    retry: false,
    queryFn: async ({ signal }) =>
      answer(await project.from("traders").select("id").limit(1).abortSignal(signal)).length > 0,
  });
  if (data === undefined && !error && !hasSkipped(id) && navigator.onLine) {
    return <Loading what="the console" />;
  }
  return <Navigate to={data === false ? "/start" : "/signals"} search={{}} replace />;
}
