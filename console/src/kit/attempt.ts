import { useCallback, useState } from "react";
import { judge } from "../app/failure.ts";

/** Work that a person began: whether it is under way, and what is to be said when it failed. */
export interface Attempt {
  readonly busy: boolean;
  /** In a sentence or two; null while nothing is wrong. */
  readonly failure: string | null;
  readonly clear: () => void;
  /** Runs it; a failure is kept for who looks, and nothing is raised. */
  readonly run: (work: () => Promise<void>) => Promise<void>;
}

export function useAttempt(): Attempt {
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<string | null>(null);
  const clear = useCallback(() => setFailure(null), []);
  const run = useCallback(async (work: () => Promise<void>) => {
    setBusy(true);
    setFailure(null);
    try {
      await work();
    } catch (error) {
      const { message, hint } = judge(error);
      setFailure(`${message} ${hint}`.trim());
    } finally {
      setBusy(false);
    }
  }, []);
  return { busy, failure, clear, run };
}
