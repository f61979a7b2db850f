// Why a request was not done, in one shape for every function: {code, message, hint?, fields?}.

/** What is wrong with one field or parameter. */
export interface Fault {
  field: string;
  message: string;
}

/** Thrown where a request cannot be done; `serve` makes the answer of it. */
export class Refusal extends Error {
  readonly fields?: Fault[];
  readonly headers: Record<string, string>;

  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly hint?: string | null,
    more: { fields?: Fault[]; headers?: Record<string, string> } = {},
  ) {
    super(message);
    this.fields = more.fields;
    this.headers = more.headers ?? {};
  }

  toResponse(): Response {
    const { code, message, hint, fields } = this;
    return Response.json({ code, message, hint: hint ?? undefined, fields }, {
      status: this.status,
      headers: { ...this.headers, "cache-control": "no-store" },
    });
  }
}
