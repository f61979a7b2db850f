/** Shows the console to whoever is signed in, and the way in to everybody else. */
import type { Session } from "@supabase/supabase-js";
import { useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useEffect, useRef, useState } from "react";
import { Loading } from "../app/faces.tsx";
import { SessionContext, useProject } from "./session.tsx";
import { SignIn } from "./sign-in.tsx";

export function SessionGate({ children }: { children: ReactNode }) {
  const project = useProject();
  const queries = useQueryClient();
  const [session, setSession] = useState<Session | null | undefined>(undefined);
  const known = useRef<string | undefined>(undefined);

  useEffect(() => {
    const { data } = project.auth.onAuthStateChange((_event, now) => {
      // Another person on the same device never sees what the last one read.
      if (known.current !== undefined && known.current !== now?.user.id) queries.clear();
      known.current = now?.user.id;
      setSession(now);
    });
    return () => data.subscription.unsubscribe();
  }, [project, queries]);

  if (session === undefined) return <Loading what="your session" />;
  if (session === null) return <SignIn />;
  return <SessionContext value={session}>{children}</SessionContext>;
}
