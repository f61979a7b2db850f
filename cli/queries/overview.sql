-- Everything that `up` shows of the record, in one round trip.
select
  coalesce((select jsonb_object_agg(c.status, c.count) from
    (select status, sum(count)::bigint as count from public.signal_counts group by status having sum(count) > 0) c),
    '{}') as signals_by_status,
  (select count(*) from public.orders) as orders,
  (select count(*) from public.orders where status = 'unresolved') as orders_unresolved,
  (select count(*) from public.positions where status <> 'closed') as positions_open,
  (select count(*) from public.positions where status = 'closed') as positions_closed,
  (select count(*) from private.unprotected_positions()) as positions_unprotected,
  (select count(*) from private.positions_left_unprotected()) as positions_left_unprotected,
  (select trim_scale(coalesce(sum(realized_pnl), 0)) from public.positions where status = 'closed') as realized_pnl,
  (select trim_scale(coalesce(sum(fees), 0)) from public.positions) as fees
