-- When things happened: a bridge whose clock was set back, or that replays from the start, tells a trail that runs forwards.
begin;
\ir trading_setup.psql
select plan(7);

-- What the bridge tells, with a clock that is so far back.
create function pg_temp.tell_back(back interval, variadic items jsonb[]) returns jsonb language sql as $$
  select pg_temp.as_role('trading_bridge', 'vyx-test', format('select public.record_trading(%L, %s, %L, %L)',
    current_setting('test.account'), current_setting('test.fence'), (select jsonb_object_agg(f.key, f.value)
      from unnest(items) item, jsonb_each(item) f), now() - back))::jsonb;
$$;
create function pg_temp.fill_at(signal uuid, leg text, trade text, executed_at timestamptz) returns jsonb language sql as $$
  select pg_temp.fill(signal, leg, trade, '100', '10') || jsonb_build_object('executed_at', executed_at);
$$;

select pg_temp.make_ready() as s \gset
select pg_temp.tell_back('50 seconds', pg_temp.told('intents', pg_temp.entry(:'s'), pg_temp.guard(:'s', 'stop_loss'),
  pg_temp.guard(:'s', 'take_profit'))) \g /dev/null
select pg_temp.tell_back('10 days', pg_temp.told('fills', pg_temp.fill_at(:'s', 'entry', '1', now() - interval '40 seconds')))
\g /dev/null
select is((select position_opened_at from public.signals where id = :'s'), now() - interval '40 seconds',
  'a position is not opened before its fill');
select pg_temp.tell_back('10 days', pg_temp.told('outcomes', pg_temp.outcome(:'s', 'stop_loss', 'confirmed'),
  pg_temp.outcome(:'s', 'take_profit', 'confirmed'))) \g /dev/null
select is((select min(confirmed_at) from public.orders where signal_id = :'s'), now() - interval '40 seconds',
  'nor is an order confirmed before what is known of its signal');
select pg_temp.tell_back('10 days', pg_temp.told('fills', pg_temp.fill_at(:'s', 'stop_loss', '2', now() - interval '20 seconds')))
\g /dev/null
select pg_temp.tell_back('10 days', pg_temp.told('outcomes', pg_temp.outcome(:'s', 'take_profit', 'canceled'))) \g /dev/null
select is((select status || ' ' || (closed_at = now() - interval '20 seconds') from public.signals where id = :'s'),
  'closed true', 'nor does a signal end before its last fill');
select is(
  (select count(*)::int from (select e.occurred_at < lag(e.occurred_at) over (partition by o.id order by e.number) as back
    from public.order_events e join public.orders o on o.id = e.order_id where o.signal_id = :'s') x where x.back),
  0, 'the trail of no order runs backwards');
select is(
  (select count(*)::int from (select e.occurred_at < lag(e.occurred_at) over (order by e.number) as back
    from public.signal_events e where e.signal_id = :'s'
      and coalesce(e.order_id, e.position_id) is not null) x where x.back),
  0, 'nor that of the signal');

select pg_temp.make_ready('ETHUSDT') as f \gset
select pg_temp.tell(pg_temp.told('intents', pg_temp.entry(:'f'))) \g /dev/null
select pg_temp.tell(pg_temp.told('fills', pg_temp.fill_at(:'f', 'entry', '3', now() + interval '1 year'))) \g /dev/null
select is((select position_opened_at from public.signals where id = :'f'), now(),
  'the time of a venue that is ahead of us is not ours');
select is((select opened_at from public.positions where signal_id = :'f'), now() + interval '1 year',
  'though it is recorded as it was told');

select * from finish();
rollback;
