/** The id of a signal, which any machine computes alike: the one definition of the edge functions. */
export { signalId } from "../../../supabase/functions/_shared/identity.ts";
