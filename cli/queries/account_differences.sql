select d.day, a.name, d.currency, trim_scale(d.venue_change) as venue_change,
       trim_scale(d.recorded_change) as recorded_change, trim_scale(d.difference) as difference, d.since, d.looked_at,
       d.account_id
from public.account_differences d
join public.exchange_accounts a on a.id = d.account_id
where d.day > private.utc_day(now()) - %(days)s::integer
  and (%(account)s::uuid is null or d.account_id = %(account)s::uuid)
  and (%(every)s::boolean or d.difference <> 0)
order by d.day desc, a.name, d.currency
