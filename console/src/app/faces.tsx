/** What a page shows when it cannot show what was asked for. */
import { CircleAlert, CloudOff, LogIn, ShieldAlert } from "lucide-react";
import type { ReactNode } from "react";
import { Button } from "../kit/button.tsx";
import { useSignOut } from "../session/session.tsx";
import { type Face, judge } from "./failure.ts";

const ICONS: Record<Face, typeof CircleAlert> = {
  expired: LogIn,
  forbidden: ShieldAlert,
  refused: CircleAlert,
  unreachable: CloudOff,
  wrong: CircleAlert,
};

/** An error in the place of what it kept away. retry: asks again. */
export function ErrorFace({ error, retry }: { error: unknown; retry?: () => void }) {
  const failure = judge(error);
  const Icon = ICONS[failure.face];
  const signOut = useSignOut();
  return (
    <div className="face" role="alert" data-face={failure.face}>
      <Icon aria-hidden />
      <p>{failure.message}</p>
      {failure.hint && <p className="quiet">{failure.hint}</p>}
      {failure.face === "expired"
        ? <Button onPress={() => signOut()}>Sign in again</Button>
        : retry && <Button onPress={retry}>Try again</Button>}
    </div>
  );
}

/** Nothing to show, and why that is so. */
export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="face">
      <p>{title}</p>
      {children && <div className="quiet">{children}</div>}
    </div>
  );
}

/** The whole page when there is no usable config.json. */
export function NotConfigured({ error }: { error: unknown }) {
  return (
    <main className="alone">
      <h1>Sigtrail</h1>
      <div className="face" role="alert">
        <p>This console does not know its project.</p>
        <p className="quiet">{error instanceof Error ? error.message : String(error)}</p>
      </div>
    </main>
  );
}

/** While something is on its way for longer than a moment. */
export function Loading({ what }: { what: string }) {
  return <div className="face quiet" role="status">Loading {what} …</div>;
}
