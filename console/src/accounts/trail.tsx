/** Who did what to an account, when and why. */
import { useInfiniteQuery } from "@tanstack/react-query";
import { ErrorFace, Loading } from "../app/faces.tsx";
import { Button } from "../kit/button.tsx";
import { Details } from "../kit/details.tsx";
import { Moment } from "../kit/moment.tsx";
import { Scroller } from "../kit/scroller.tsx";
import { words } from "../kit/status.ts";
import { useProject } from "../session/session.tsx";
import { type Account, ACCOUNTS, readTrail, TRAIL_PAGE } from "./account.ts";

export function Trail({ account }: { account: Account }) {
  const project = useProject();
  const trail = useInfiniteQuery({
    queryKey: [ACCOUNTS, account.id, "trail"],
    queryFn: ({ pageParam, signal }) => readTrail(project, account.id, pageParam, signal),
    initialPageParam: null as number | null,
    getNextPageParam: (page) => page.length < TRAIL_PAGE ? null : page.at(-1)!.id,
  });
  if (trail.isPending) return <Loading what="its trail" />;
  if (trail.isError) return <ErrorFace error={trail.error} retry={() => void trail.refetch()} />;
  const events = trail.data.pages.flat();
  return (
    <section className="panel stack" aria-labelledby="account-trail">
      <h3 id="account-trail">Trail</h3>
      <Scroller label="Trail of the account">
        <table className="grid">
          <thead>
            <tr>
              <th scope="col">When</th>
              <th scope="col">What</th>
              <th scope="col">Who</th>
              <th scope="col">Why and how</th>
            </tr>
          </thead>
          <tbody>
            {events.map((one) => (
              <tr key={one.id}>
                <td>
                  <Moment value={one.created_at} />
                </td>
                <th scope="row">{words(one.event_type)}</th>
                <td>{one.actor}</td>
                <td>
                  <Details value={one.details} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroller>
      {trail.hasNextPage && (
        <div className="row">
          <Button onPress={() => void trail.fetchNextPage()} isPending={trail.isFetchingNextPage}>
            Earlier
          </Button>
        </div>
      )}
    </section>
  );
}
