-- One signal at a glance: how far it is, what it holds, what rests, and what nobody is sure of.
select s.status::text, s.outcome_code, p.status::text as position, p.exit_reason,
  coalesce(p.amount - p.written_off, 0) as held, coalesce(p.lot, 0) as lot, p.stop_loss, p.id as position_id,
  coalesce(o.live, 0) as live, coalesce(o.doubtful, 0) as doubtful,
  coalesce(o.targets, 0) as targets, coalesce(o.entered, 0) as entered, o.stop_level,
  coalesce(o.cover, 0) as cover,
  exists (select from private.unprotected_positions() u where u.signal_id = s.id) as unprotected
from public.signals s
left join public.positions p on p.signal_id = s.id
left join lateral (
  select count(*) filter (where o.is_live) as live,
    count(*) filter (where o.status in ('intended', 'submitted', 'unresolved')) as doubtful,
    count(*) filter (where o.leg = 'take_profit' and o.status in ('open', 'partially_filled')) as targets,
    count(*) filter (where o.leg = 'entry' and o.status in ('open', 'partially_filled')) as entered,
    sum(o.amount - o.filled) filter (where o.leg = 'stop_loss' and o.status in ('open', 'partially_filled')) as cover,
    max(o.trigger_price) filter (where o.leg = 'stop_loss' and o.status in ('open', 'partially_filled')) as stop_level
  from public.orders o where o.signal_id = s.id) o on true
where s.id = %s
