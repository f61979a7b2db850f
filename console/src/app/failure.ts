/** What went wrong, in one sentence, and what the person in front of it can do. */

/** Which face an error has: each is told differently and asks for something else. */
export type Face = "expired" | "forbidden" | "refused" | "unreachable" | "wrong";

export interface Failure {
  readonly face: Face;
  readonly message: string;
  readonly hint: string;
}

/** An answer of Supabase that is an error, as its clients hand it over. */
interface Answered {
  readonly message: string;
  readonly code?: string;
  readonly hint?: string | null;
  readonly details?: string | null;
}

/** Raised by `answer` with what PostgREST said. */
export class AnsweredError extends Error {
  readonly code: string;
  readonly hint: string;
  readonly status: number;

  constructor(answered: Answered, status: number) {
    super(answered.message);
    this.name = "AnsweredError";
    this.code = answered.code ?? "";
    this.hint = answered.hint ?? "";
    this.status = status;
  }
}

/** The data of an answer of supabase-js. Raises AnsweredError instead of handing an error on. */
export function answer<T>(said: { data: T; error: Answered | null; status: number }): NonNullable<T> {
  if (said.error) throw new AnsweredError(said.error, said.status);
  return said.data as NonNullable<T>;
}

/** Judges any error that reached a page. */
export function judge(error: unknown): Failure {
  if (error instanceof AnsweredError) {
    if (error.status === 401 || error.code === "PGRST301" || error.code === "PGRST303") {
      return {
        face: "expired",
        message: "Your session is over.",
        hint: "Sign in again: what you see stays.",
      };
    }
    if (error.status === 403 || error.code === "42501") {
      return {
        face: "forbidden",
        message: `You may not do this: ${error.message}.`,
        hint: error.hint || "Ask whoever runs this project for the right to.",
      };
    }
    if (error.status === 0 || error.status >= 500) return unreachable(error.message);
    return {
      face: "refused",
      message: sentence(error.message),
      hint: error.hint ? sentence(error.hint) : "",
    };
  }
  if (error instanceof TypeError && /fetch|network|load failed/i.test(error.message)) {
    return unreachable(error.message);
  }
  const message = error instanceof Error ? error.message : String(error);
  return {
    face: "wrong",
    message: sentence(message),
    hint:
      "This is a fault of the console. Load the page again; when it comes back, report it with this sentence.",
  };
}

/** Whether the same question may be answered when it is asked again. */
export function isWorthRetrying(error: unknown): boolean {
  return judge(error).face === "unreachable";
}

function unreachable(why: string): Failure {
  return {
    face: "unreachable",
    message: navigator.onLine ? "The server does not answer." : "This device is offline.",
    hint: `It is asked again by itself; nothing that was sent is lost without being named. (${why})`,
  };
}

function sentence(text: string): string {
  const trimmed = text.trim();
  const upper = trimmed.charAt(0).toUpperCase() + trimmed.slice(1);
  return /[.!?]$/.test(upper) ? upper : `${upper}.`;
}
