-- A signal's owner is its trader's, never the caller's say; a machine's signals are cloud, a user's are local.
begin;
\ir stage.psql
select plan(12);

select pg_temp.make_signal() as cloud_signal \gset
select results_eq(
  format('select s.user_id, source::text, m.machine_id, s.status::text, normalised_symbol, initial_price, current_price
    from public.signals s join public.cloud_machines m on m.id = s.machine_id where s.id = %L', :'cloud_signal'),
  $$ values (pg_temp.ann(), 'cloud', 'stage-worker', 'new', 'BTC/USDT:USDT', 64000.5, 64000.5) $$,
  'a worker writes for the trader''s owner as itself');
select is(public.signal_time(:'cloud_signal'), (select triggered_at from public.signals where id = :'cloud_signal'),
  'the id holds the time');
select is((select public.human_name(s) from public.signals s where id = :'cloud_signal'),
  'BTCUSDT-' || floor(extract(epoch from now() - interval '1 minute') * 1000), 'and gives the human name');

select is(pg_temp.ingest(jsonb_build_array(pg_temp.row(pg_temp.ann_trader(), 'LUSDT')), 'authenticated', pg_temp.ann()::text)
  -> 'inserted', '1', 'a user records a browser''s signal');
select is((select source::text || coalesce(machine_id::text, ' by nobody') from public.signals where symbol = 'LUSDT'
  and user_id = pg_temp.ann()), 'local by nobody', 'it is local');
select is(pg_temp.ingest(jsonb_build_array(pg_temp.row(pg_temp.ann_trader(), 'OUSDT', '1 minute', '{"machine_id": "stage-worker"}')),
  'service_role', null) -> 'inserted', '1', 'an operator records what a machine saw');
select is((select source::text from public.signals where symbol = 'OUSDT' and user_id = pg_temp.ann()), 'cloud', 'it is cloud');

select alike(pg_temp.as_role('analyst', 'stage-analyst', 'select public.ingest_signals(''[]'')'), '42501%', 'an analyst records none');
select alike(pg_temp.as_role('trading_bridge', 'stage-bridge', 'select public.ingest_signals(''[]'')'), '42501%', 'nor a bridge');
select alike(pg_temp.as_role('anon', null, 'select public.ingest_signals(''[]'')'), '42501%', 'nor anonymous');
select is(pg_temp.ingest(jsonb_build_array(
    pg_temp.row(pg_temp.ann_trader(), 'MSUSDT', '1 minute', jsonb_build_object('triggered_at',
      floor(extract(epoch from now() - interval '2 minutes') * 1000)))))
  -> 'inserted', '1', 'a time may come in milliseconds');
update public.traders set market = 'spot' where id = pg_temp.pia_trader();
select pg_temp.ingest(jsonb_build_array(pg_temp.row(pg_temp.pia_trader(), 'ETHBTC'))) as answer \gset
select is((select normalised_symbol from public.signals where trader_id = pg_temp.pia_trader()), 'ETH/BTC',
  'spot has its own unified names');

select * from finish();
rollback;
