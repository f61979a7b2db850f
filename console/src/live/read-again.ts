/** Reading again what live messages were about. */
import { type QueryKey, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useRef } from "react";

// Many messages of one moment are one reading, soon after the first.
const GATHERED_MILLISECONDS = 200;

/** A function that has these queries read again; called often, it does so once for all of a moment. */
export function useReadAgain(...keys: QueryKey[]): () => void {
  const queries = useQueryClient();
  const latest = useRef(keys);
  const timer = useRef<ReturnType<typeof setTimeout> | null>(null);
  useEffect(() => {
    latest.current = keys;
  });
  useEffect(() => () => {
    if (timer.current !== null) clearTimeout(timer.current);
  }, []);
  return useCallback(() => {
    if (timer.current !== null) return;
    timer.current = setTimeout(() => {
      timer.current = null;
      for (const queryKey of latest.current) void queries.invalidateQueries({ queryKey });
    }, GATHERED_MILLISECONDS);
  }, [queries]);
}
