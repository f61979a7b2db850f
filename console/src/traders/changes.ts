/** Changes of traders: shown at once, and taken back when the database refuses. */
import { type QueryClient, useMutation, useQueryClient } from "@tanstack/react-query";
import { z } from "zod";
import { answer } from "../app/failure.ts";
import type { Database } from "../database.types.ts";
import type { Project } from "../project.ts";
import { useProject } from "../session/session.tsx";
import { COLUMNS, Trader, TRADERS } from "./trader.ts";

type Row = Database["public"]["Tables"]["traders"]["Insert"];

/** Stores a new trader and answers it. */
export async function createTrader(project: Project, row: Record<string, unknown>): Promise<Trader> {
  // Decimals go as text, which the generated type has as numbers.
  const said = await project.from("traders").insert(row as unknown as Row).select(COLUMNS).single();
  return Trader.parse(answer(said as { data: unknown; error: typeof said.error; status: number }));
}

/** Changes a trader. Raises what the database refused with; a trader that is not the caller's is not found. */
export async function changeTrader(
  project: Project,
  id: string,
  row: Record<string, unknown>,
): Promise<Trader> {
  const said = await project.from("traders").update(row as unknown as Row).eq("id", id).select(COLUMNS)
    .single();
  return Trader.parse(answer(said as { data: unknown; error: typeof said.error; status: number }));
}

const Snapshot = z.object({ list: z.array(Trader).optional(), one: Trader.nullish() });
type Snapshot = z.infer<typeof Snapshot>;

/** Changes columns of one trader: lists and pages show it at once, and as it was again when it is refused. */
export function useChange() {
  const project = useProject();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ id, row }: { id: string; row: Record<string, unknown> }) => changeTrader(project, id, row),
    onMutate: async ({ id, row }): Promise<Snapshot> => {
      await queries.cancelQueries({ queryKey: TRADERS });
      const before = { list: listIn(queries), one: queries.getQueryData<Trader | null>([...TRADERS, id]) };
      show(queries, id, row as Partial<Trader>);
      return before;
    },
    onError: (_error, { id }, before) => {
      if (before?.list) queries.setQueryData([...TRADERS], before.list);
      if (before?.one) queries.setQueryData([...TRADERS, id], before.one);
    },
    onSettled: () => queries.invalidateQueries({ queryKey: TRADERS }),
  });
}

function listIn(queries: QueryClient): Trader[] | undefined {
  return queries.getQueryData<Trader[]>([...TRADERS]);
}

function show(queries: QueryClient, id: string, row: Partial<Trader>): void {
  queries.setQueryData<Trader[]>(
    [...TRADERS],
    (list) =>
      list?.map((one) => one.id === id ? { ...one, ...row } : one).filter((one) => one.status !== "deleted"),
  );
  queries.setQueryData<Trader | null>([...TRADERS, id], (one) => one && { ...one, ...row });
}
