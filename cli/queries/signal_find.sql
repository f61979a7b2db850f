select s.*, t.name as trader, o.description as outcome_text
from public.signals s
left join public.traders t on t.id = s.trader_id
left join public.outcome_codes o on o.code = s.outcome_code
where s.id >= %(first)s and s.id <= %(last)s
  and (%(symbol)s::text is null or s.symbol = %(symbol)s)
order by s.id
limit 20
