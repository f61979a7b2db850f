/** What is known of machines: of the platform for everybody, by name those that serve whoever asks. */
import { queryOptions } from "@tanstack/react-query";
import { answer } from "../app/failure.ts";
import type { Project } from "../project.ts";

export const MACHINES = "machines";
/** A machine speaks every few seconds. */
const OFTEN = { refetchInterval: 5_000 };

export function pulseQuery(project: Project) {
  return queryOptions({
    queryKey: [MACHINES, "pulse"],
    queryFn: async ({ signal }) => answer(await project.rpc("platform_pulse").abortSignal(signal)),
    ...OFTEN,
  });
}

export function healthQuery(project: Project) {
  return queryOptions({
    queryKey: [MACHINES, "health"],
    queryFn: async ({ signal }) => answer(await project.rpc("machine_health").abortSignal(signal)),
    ...OFTEN,
  });
}

/** Which machine evaluates how many shares of which market; nothing for who does not oversee the platform. */
export function sharesQuery(project: Project) {
  return queryOptions({
    queryKey: [MACHINES, "shares"],
    queryFn: async ({ signal }) =>
      answer(
        await project.from("signal_shares").select(
          "venue, market, share, machine_id, leased_until, evaluated_to",
        )
          .order("venue").order("market").order("share").abortSignal(signal),
      ),
    ...OFTEN,
  });
}

export function alertsQuery(project: Project, over: boolean) {
  return queryOptions({
    queryKey: [MACHINES, "alerts", over],
    queryFn: async ({ signal }) => {
      const asked = project.from("alerts").select(
        "id, kind, severity, title, times, user_id, machine_id, raised_at, last_at, resolved_at, acknowledged_at, acknowledged_by, note",
      );
      const those = over ? asked.not("resolved_at", "is", null) : asked.is("resolved_at", null);
      return answer(await those.order("raised_at", { ascending: false }).limit(100).abortSignal(signal));
    },
    ...OFTEN,
  });
}
export type Alert = Awaited<ReturnType<NonNullable<ReturnType<typeof alertsQuery>["queryFn"]>>>[number];

export async function acknowledge(project: Project, alert: string, note: string) {
  return answer(
    await project.rpc("acknowledge_alert", { alert_id: alert, ...(note === "" ? {} : { note }) }),
  );
}
