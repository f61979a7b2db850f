-- What is wrong with the trail of a user's signals, orders and positions; nothing when all of it is told.
with o as (select * from public.orders where user_id = %(user)s),
p as (select * from public.positions where user_id = %(user)s),
e as (select * from public.signal_events where user_id = %(user)s),
oe as (select * from public.order_events where user_id = %(user)s)
select 'the story of order ' || o.leg || ' ' || o.attempt || ' ends otherwise than it' as problem from o
where o.status is distinct from (
  select oe.to_status from oe where oe.order_id = o.id order by oe.number desc limit 1)
union all
select 'the story of order ' || o.leg || ' ' || o.attempt || ' has a gap' from o
where exists (
  select from (select number, from_status, row_number() over w as place, lag(to_status) over w as before
    from oe where oe.order_id = o.id window w as (order by number)) s
  where s.number <> s.place or s.from_status is distinct from s.before)
union all
select 'order ' || o.leg || ' ' || o.attempt || ' was told as made ' || made.times || ' times'
from o cross join lateral (
  select count(*) as times from e where e.order_id = o.id and e.event_type = 'order_created') made
where made.times <> 1
union all
select 'order ' || o.leg || ' ' || o.attempt || ' was told as ' || o.status || ' ' || ended.times || ' times'
from o cross join lateral (
  select count(*) as times from e
  where e.order_id = o.id and e.event_type::text = 'order_' || o.status::text) ended
where o.status in ('filled', 'canceled', 'rejected', 'denied') and ended.times <> 1
union all
select 'the position was told as ' || t.kind || ' ' || count(e.*) || ' times'
from p cross join (values ('position_opened'), ('position_closed')) t (kind)
left join e on e.signal_id = p.signal_id and e.event_type::text = t.kind
where t.kind = 'position_opened' or p.status = 'closed'
group by p.id, t.kind having count(e.*) <> 1
union all
select 'events of a signal have gaps in their numbers' from e group by e.signal_id having max(e.number) <> count(*)
union all
select 'a change of status begins where none ended' from (
  select e.from_status, lag(e.to_status) over (partition by e.signal_id order by e.number) as before
  from e where e.to_status is not null) c
where c.from_status is distinct from c.before
union all
select 'a position''s profit is not what its fills moved' from p
where p.status = 'closed' and p.realized_pnl is distinct from (
  select coalesce(sum(x.quote_change), 0) from public.trade_executions x where x.position_id = p.id)
union all
select 'a signal is ' || s.status || ' and its trail ends with ' || coalesce(last.to_status::text, 'nothing')
from public.signals s cross join lateral (
  select e.to_status from e where e.signal_id = s.id and e.to_status is not null order by e.number desc limit 1) last
where s.user_id = %(user)s and s.status is distinct from last.to_status
