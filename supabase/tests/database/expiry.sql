-- A signal that is not over may be given up, by the role whose stage it is in, with a reason, and never with a position.
begin;
\ir stage.psql
select plan(13);

create function pg_temp.expire(role_name text, who text, items jsonb) returns text language sql as $$
  select case when a like '{%' then coalesce(a::jsonb #>> '{refused,0,code}', 'done') else a end
  from (select pg_temp.as_role(role_name, who, format('select public.expire_signals(%L)', items)) a) answer;
$$;
create function pg_temp.item(signal text, more jsonb default '{}') returns jsonb language sql as $$
  select jsonb_build_array(jsonb_build_object('signal_id', signal, 'outcome_code', 'signal_stale') || more);
$$;

select pg_temp.make_signal(pg_temp.eli_trader(), 'AUSDT') as a \gset
select is(pg_temp.expire('analyst', 'stage-analyst', pg_temp.item(:'a', '{"outcome_code": null}')), 'bad_outcome', 'no reason');
select is(pg_temp.expire('trading_bridge', 'stage-bridge', pg_temp.item(:'a')), 'wrong_stage', 'not the bridge''s yet');
select pg_temp.claim('analysis') as held \gset
select is(pg_temp.expire('analyst', 'stage-analyst-2', pg_temp.item(:'a')), 'lease_lost', 'not what another holds');
select is(pg_temp.expire('analyst', 'stage-analyst', pg_temp.item(:'a', :'held'::jsonb -> 0 || '{"message": "too old"}')), 'done',
  'the holder gives it up');
select results_eq(format('select event_type::text, event_data from public.signal_history(%L) where to_status = ''expired''', :'a'),
  $$ values ('signal_expired', '{"message": "too old", "outcome_code": "signal_stale"}'::jsonb) $$, 'the trail says why');
select is(pg_temp.expire('analyst', 'stage-analyst', pg_temp.item(:'a')), 'already_final', 'once');

select pg_temp.make_ready(pg_temp.eli_trader(), 'BUSDT') as b \gset
select is(pg_temp.expire('analyst', 'stage-analyst', pg_temp.item(:'b')), 'wrong_stage', 'a ready one is not the analyst''s');
update public.signals set has_active_orders = true where id = :'b';
select is(pg_temp.expire('trading_bridge', 'stage-bridge', pg_temp.item(:'b')), 'has_active_orders', 'not with orders');
update public.signals set has_active_orders = false, has_open_position = true where id = :'b';
select is(pg_temp.expire('trading_bridge', 'stage-bridge', pg_temp.item(:'b')), 'has_open_position', 'not with a position');
update public.signals set has_open_position = false where id = :'b';
select is(pg_temp.expire('trading_bridge', 'stage-bridge', pg_temp.item(:'b')), 'done', 'else by the bridge');
select is(pg_temp.expire('trading_bridge', 'stage-bridge', pg_temp.item('00000000-0000-8000-8000-000000000000')), 'unknown_signal',
  'an unknown signal is named');
select alike(pg_temp.expire('authenticated', pg_temp.ann()::text, '[]'), '42501%', 'a user gives up none');
select alike(pg_temp.expire('signal_worker', 'stage-worker', '[]'), '42501%', 'nor does a worker');

select * from finish();
rollback;
