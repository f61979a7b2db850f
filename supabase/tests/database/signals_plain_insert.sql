-- A plain insert obeys what ingest_signals does: derived owner, own id, new status, the quota, the trail and the queue.
begin;
\ir stage.psql
select plan(13);

-- Inserts one signal of Ann's trader with changes, as a role.
create function pg_temp.insert_signal(symbol text, changes jsonb default '{}', role_name text default 'authenticated',
  who text default pg_temp.ann()::text) returns text language plpgsql as $$
declare
  fired timestamptz := date_trunc('milliseconds', now() - interval '1 minute');
  item jsonb := jsonb_build_object('id', public.signal_id(pg_temp.ann_trader(), symbol, '1m', fired),
    'user_id', pg_temp.ann(), 'trader_id', pg_temp.ann_trader(), 'symbol', symbol, 'interval', '1m', 'side', 'long',
    'triggered_at', fired, 'initial_price', 100) || changes;
begin
  return pg_temp.as_role(role_name, who, format(
    'insert into public.signals (id, user_id, trader_id, symbol, "interval", side, triggered_at, initial_price, status, source)
     select id, user_id, trader_id, symbol, "interval", side, triggered_at, initial_price, coalesce(status, ''new''),
       coalesce(source, ''local'') from jsonb_populate_record(null::public.signals, %L) returning id', item));
end;
$$;

select is(pg_temp.insert_signal('AUSDT'), public.signal_id(pg_temp.ann_trader(), 'AUSDT', '1m', now() - interval '1 minute')::text,
  'an owner inserts a signal');
select results_eq($$ select user_id, source::text, normalised_symbol, current_price, status_at = triggered_at
  from public.signals where symbol = 'AUSDT' and trader_id = pg_temp.ann_trader() $$,
  $$ values (pg_temp.ann(), 'local', 'A/USDT:USDT', 100.0, true) $$, 'what was not said is derived');
select results_eq($$ select number, event_type::text, to_status::text from public.signal_events e
  join public.signals s on s.id = e.signal_id where s.symbol = 'AUSDT' and s.trader_id = pg_temp.ann_trader() $$,
  $$ values (1, 'signal_created', 'new') $$, 'it is in the trail');
select is((select pg_temp.claim('analysis') #>> '{0,signal_id}'),
  public.signal_id(pg_temp.ann_trader(), 'AUSDT', '1m', now() - interval '1 minute')::text, 'and waits for an analyst');

select is(pg_temp.insert_signal('OWNUSDT', jsonb_build_object('user_id', pg_temp.stranger())) is not null, true,
  'a wrong owner is not believed');
select is((select user_id from public.signals where symbol = 'OWNUSDT'), pg_temp.ann(), 'it is the trader''s');
select alike(pg_temp.insert_signal('BUSDT', '{}', 'authenticated', pg_temp.stranger()::text), '42501 not_your_trader%',
  'a stranger inserts none');
select alike(pg_temp.insert_signal('BUSDT', jsonb_build_object('id', public.signal_id(pg_temp.ann_trader(), 'X', '1m', now()))),
  '23514 bad_id%', 'an id of another signal is refused');
select alike(pg_temp.insert_signal('BUSDT', '{"status": "ready"}'), '23514 a signal starts as new, not as ready',
  'a signal starts at the start');
select pg_temp.insert_signal('CUSDT', '{"source": "cloud"}') as inserted \gset
select is((select source::text from public.signals where symbol = 'CUSDT' and trader_id = pg_temp.ann_trader()), 'local',
  'a user''s signal is local whatever it says');
select alike(pg_temp.insert_signal('DUSDT', '{}', 'signal_worker', 'stage-worker'), '42501%', 'a worker goes through ingest');
select alike(pg_temp.insert_signal('DUSDT', '{}', 'anon', null), '42501%', 'anonymous inserts none');
select is(pg_temp.insert_signal('EUSDT', '{}', 'service_role', null) is not null, true, 'an operator may');

select * from finish();
rollback;
