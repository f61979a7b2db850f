-- Traders as they were made up, in one call.
insert into public.traders (id, user_id, name, market, symbols, "interval", side, conditions, ai_analysis_limit)
select t.id, t.user_id, t.name, t.market, t.symbols, t."interval", t.side, t.conditions, null
from jsonb_to_recordset(%(traders)s::jsonb) as t (
  id uuid, user_id uuid, name text, market text, symbols text[], "interval" text, side public.trade_side,
  conditions text[]
)
