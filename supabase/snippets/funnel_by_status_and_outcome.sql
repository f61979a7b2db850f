-- The funnel: how many signals came how far, and where and why the others ended. `reached` counts every signal that was
-- ever in the state, `ended_here` those that ended out of it.
with steps (place, status) as (
  values (1, 'new'::public.signal_status), (2, 'analyzing'), (3, 'monitoring'), (4, 'ready'), (5, 'in_position'),
    (6, 'closed')
), reached as (
  select e.to_status as status, count(distinct e.signal_id) as signals
  from public.signal_events e
  where e.to_status is not null
  group by e.to_status
), ends as (
  select e.from_status as status, s.outcome_code, count(*) as signals
  from public.signal_events e
  join public.signals s on s.id = e.signal_id
  where e.to_status in ('rejected', 'expired', 'closed')
  group by e.from_status, s.outcome_code
)
select p.status, coalesce(r.signals, 0) as reached,
  round(100.0 * coalesce(r.signals, 0) / nullif(first_value(r.signals) over (order by p.place), 0), 2) as reached_percent,
  coalesce((select sum(e.signals) from ends e where e.status = p.status), 0) as ended_here,
  (select jsonb_object_agg(e.outcome_code, e.signals) from ends e where e.status = p.status)
    as outcomes
from steps p
left join reached r on r.status = p.status
order by p.place;
