-- Why signals were not traded, the most frequent reason first, with what each means and the traders it hits most.
with ended as (
  select s.outcome_code, s.status, s.trader_id, count(*) as signals
  from public.signals s
  where s.status in ('rejected', 'expired') and s.position_opened_at is null
  group by 1, 2, 3
)
select c.code, c.status, c.description, sum(e.signals)::bigint as signals,
  round(100 * sum(e.signals) / sum(sum(e.signals)) over (), 2) as percent, count(*) as traders,
  (array_agg(t.name order by e.signals desc))[1:3] as most_affected
from ended e
join public.outcome_codes c on c.code = e.outcome_code
join public.traders t on t.id = e.trader_id
group by c.code, c.status, c.description
order by signals desc, c.code;
