-- Time is a bound on the id: it is what prunes partitions.
select s.id, public.human_name(s) as name, s.triggered_at, s.symbol, s.interval, s.side, t.name as trader, s.status,
       s.outcome_code, s.source, s.initial_price, s.current_price, s.analysis_confidence, s.total_pnl,
       s.has_open_position, s.created_at
from public.signals s
left join public.traders t on t.id = s.trader_id
where (%(from_id)s::uuid is null or s.id >= %(from_id)s)
  and (%(to_id)s::uuid is null or s.id < %(to_id)s)
  and (%(symbol)s::text is null or s.symbol = %(symbol)s)
  and (%(status)s::public.signal_status is null or s.status = %(status)s)
  and (%(outcome)s::text is null or s.outcome_code = %(outcome)s)
  and (%(trader)s::text is null or t.name = %(trader)s or t.id::text = %(trader)s)
order by s.id desc
limit %(limit)s
