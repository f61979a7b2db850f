/** Who is signed in, and the project they are signed in to. */
import type { Session } from "@supabase/supabase-js";
import { useQueryClient } from "@tanstack/react-query";
import { createContext, use, useCallback } from "react";
import type { Project } from "../project.ts";

export const ProjectContext = createContext<Project | null>(null);
export const SessionContext = createContext<Session | null>(null);

/** The client of the project, which acts as whoever is signed in. */
export function useProject(): Project {
  const project = use(ProjectContext);
  if (!project) throw new Error("useProject outside of ProjectContext");
  return project;
}

/** The id and the address of whoever is signed in. */
export function useUser(): { id: string; email: string } {
  const session = use(SessionContext);
  if (!session) throw new Error("useUser outside of the session gate");
  return { id: session.user.id, email: session.user.email ?? "" };
}

/** Signs out on this device; what was read for this user leaves memory with them. */
export function useSignOut(): () => Promise<void> {
  const project = useProject();
  const queries = useQueryClient();
  return useCallback(async () => {
    await project.auth.signOut({ scope: "local" });
    queries.clear();
  }, [project, queries]);
}
