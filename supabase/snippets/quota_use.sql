-- Quota use: what users recorded of each UTC day against what their tier allows; who is nearest to the limit first.
select u.email, u.tier, d.day, sum(d.signals)::bigint as signals, t.signals_per_day as quota,
  round(100.0 * sum(d.signals) / t.signals_per_day, 2) as used_percent,
  sum(d.signals) >= t.signals_per_day as full
from public.usage_daily d
join public.users u on u.id = d.user_id
join public.tiers t on t.tier = u.tier
group by u.email, u.tier, d.day, t.signals_per_day
having sum(d.signals) > 0
order by used_percent desc nulls last, d.day desc, u.email;
