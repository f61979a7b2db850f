/** What the address of the page says: which account is open. */
import { z } from "zod";

export const AccountsSearch = z.object({ account: z.uuid().optional().catch(undefined) });
