-- Shares of symbols: every one has a holder as long as there is a machine, nobody has more than is fair or fits, and
-- who lost one is told so and not heard.
begin;
\ir stage.psql
select plan(42);

insert into public.cloud_machines (machine_id, roles, status) values ('w-one', '{signals}', 'running'),
  ('w-two', '{signals}', 'running'), ('w-three', '{signals}', 'running'), ('w-far', '{signals}', 'running');
create temporary table answers (who text primary key, answer jsonb);

-- Renews as a machine what its last answer gave it, with one mark for all, and keeps the answer.
create function pg_temp.renew(who text, most integer default 64, mark bigint default null, said jsonb default null,
  venue text default 'binance')
returns jsonb language plpgsql as $$
declare
  shares jsonb;
  told text;
begin
  select coalesce(jsonb_agg(h || jsonb_build_object('evaluated_to', mark)), '[]') into shares
  from answers a, jsonb_array_elements(a.answer -> 'held') h where a.who = renew.who;
  told := pg_temp.as_role('signal_worker', who, format('select public.renew_shares(%L, ''usdm'', %s, %L)', venue, most, coalesce(said, shares)));
  insert into answers values (who, told::jsonb) on conflict on constraint answers_pkey do update set answer = excluded.answer;
  return told::jsonb;
end;
$$;
create function pg_temp.count_of(told jsonb, key text) returns integer language sql as $$
  select jsonb_array_length(told -> key);
$$;
create function pg_temp.released(who text, said jsonb) returns text language sql as $$
  select pg_temp.as_role('signal_worker', who, format('select public.release_shares(''binance'', ''usdm'', %L)', said));
$$;
create function pg_temp.holders() returns text language sql as $$
  select coalesce(string_agg(machine_id || ' ' || n, ', ' order by machine_id), 'none') from (
    select machine_id, count(*) as n from public.signal_shares
    where venue = 'binance' and leased_until >= clock_timestamp() group by machine_id) h;
$$;
create function pg_temp.age(who text, by_time interval) returns void language sql as $$
  update public.signal_shares set leased_until = leased_until - by_time where machine_id = who;
  update public.signal_share_machines set heard_until = heard_until - by_time where machine_id = who;
$$;
create function pg_temp.check_shares() returns jsonb language sql as $$
  select c from jsonb_array_elements(pg_temp.as_role('service_role', null, 'select public.doctor()')::jsonb -> 'checks') c
  where c ->> 'name' = 'shares';
$$;

-- One alone.
select is(pg_temp.check_shares() ->> 'ok', 'true', 'a project that no machine ever worked for is well');
select is(pg_temp.count_of(pg_temp.renew('w-one'), 'held'), 64, 'a machine alone takes everything at once');
select is(pg_temp.count_of(pg_temp.renew('w-one', 64, 1780000000000), 'held'), 64, 'and keeps it');
select is((select count(distinct fence) from public.signal_shares where venue = 'binance'), 1::bigint, 'under the same numbers');
select is((select max(evaluated_to) from public.signal_shares), 1780000000000, 'with how far it is');
select pg_temp.renew('w-one', 64, 1770000000000) \g /dev/null
select is((select min(evaluated_to) from public.signal_shares where venue = 'binance'), 1780000000000, 'which never goes back');
select is(pg_temp.check_shares() ->> 'ok', 'true', 'then the doctor is content');

-- Two: the first gives half away, the second takes it from where the first was.
select is(pg_temp.count_of(pg_temp.renew('w-two'), 'held'), 0, 'what is held is not taken');
select is(pg_temp.count_of(pg_temp.renew('w-one'), 'give'), 32, 'the first is asked to give half');
select is(pg_temp.released('w-one', (
    select jsonb_agg(h || '{"evaluated_to": 1780000060000}') from answers a, jsonb_array_elements(a.answer -> 'held') h
    where a.who = 'w-one' and a.answer -> 'give' @> (h -> 'share'))), '32', 'and does');
select is(pg_temp.count_of(pg_temp.renew('w-two'), 'held'), 32, 'the second takes them');
select is((select answer #>> '{held,0,evaluated_to}' from answers where who = 'w-two'), '1780000060000', 'from where the first was');
select pg_temp.renew('w-one', 64, null, (select jsonb_agg(h) from answers a, jsonb_array_elements(a.answer -> 'held') h
  where a.who = 'w-one' and not a.answer -> 'give' @> (h -> 'share'))) \g /dev/null
select is(pg_temp.holders(), 'w-one 32, w-two 32', 'shared evenly');
select is((select answer ->> 'free' from answers where who = 'w-one'), '0', 'and none is alone');

-- A machine that died, and one that slept and wakes.
select pg_temp.age('w-two', '10 seconds') \g /dev/null
select is(pg_temp.count_of(pg_temp.renew('w-one'), 'held'), 64, 'a machine that died is replaced at the next renewal');
select is(pg_temp.count_of(pg_temp.renew('w-two', 64, 1790000000000), 'lost'), 32, 'when it wakes it is told what it lost');
select is((select max(evaluated_to) from public.signal_shares), 1780000060000, 'and is not heard about it');
select is(pg_temp.released('w-two', '[{"share": 40, "fence": 2}]'), '0', 'nor can it give away what is not its own');
select is((select answer -> 'held' from answers where who = 'w-two'), '[]', 'it has nothing before somebody gives');
select pg_temp.age('w-one', '10 seconds') \g /dev/null
select is(pg_temp.count_of(pg_temp.renew('w-one'), 'lost'), 0, 'what ran out and nobody took goes on');
select is((select answer ->> 'taken' from (select jsonb_array_elements(answer -> 'held') as answer from answers where who = 'w-one') t
  limit 1), 'false', 'as if nothing had been');

-- A restart under the same name, which knows nothing.
select pg_temp.as_role('signal_worker', 'w-two', 'select public.leave_shares()') \g /dev/null
select is(pg_temp.count_of(pg_temp.renew('w-one', 64, null, '[]'), 'held'), 64, 'a machine that starts again has its own at once');
select is((select count(*) from public.signal_shares where venue = 'binance' and machine_id = 'w-one'), 64::bigint, 'all of it');

-- No more than fits; and the others take the rest.
select is(pg_temp.count_of(pg_temp.renew('w-one', 10), 'give'), 54, 'what does not fit is given back');
select pg_temp.released('w-one', (select jsonb_agg(h) from answers a, jsonb_array_elements(a.answer -> 'held') h
  where a.who = 'w-one' and a.answer -> 'give' @> (h -> 'share'))) \g /dev/null
select is(pg_temp.check_shares() ->> 'ok', 'false', 'what nobody holds is an alarm');
select alike(pg_temp.check_shares() ->> 'advice', '%start a machine%', 'which says what to do');
select pg_temp.renew('w-one', 10, null, (select jsonb_agg(h) from answers a, jsonb_array_elements(a.answer -> 'held') h
  where a.who = 'w-one' and not a.answer -> 'give' @> (h -> 'share'))) \g /dev/null
select is(pg_temp.count_of(pg_temp.renew('w-three'), 'held'), 54, 'another one takes all that the first cannot');

-- Another venue has shares of its own, and a machine is of one venue.
select is(pg_temp.count_of(pg_temp.renew('w-far', venue => 'bybit'), 'held'), 64, 'a machine of another venue takes all of that one');
select is(pg_temp.count_of(pg_temp.renew('w-far', venue => 'bybit'), 'give'), 0, 'whoever is at this one');
select is(pg_temp.holders(), 'w-one 10, w-three 54', 'and nothing here');
select is(pg_temp.check_shares() ->> 'ok', 'true', 'both venues are looked after');
select pg_temp.age('w-far', '30 seconds') \g /dev/null
select is((select string_agg(f ->> 'venue', ' ') from jsonb_array_elements(pg_temp.check_shares() -> 'found') f
  where f ->> 'alone' <> '0'), 'bybit', 'one that nobody looks after is named');
select is(pg_temp.count_of(pg_temp.renew('w-far', said => '[]'), 'held'), 0, 'a machine that starts at another venue');
select is((select count(*) from public.signal_shares where machine_id = 'w-far'), 0::bigint, 'has nothing any more where it was');
select is(pg_temp.check_shares() ->> 'ok', 'true', 'where no machine is, nobody is missed');

-- Who may.
select alike(pg_temp.as_role('authenticated', pg_temp.ann()::text, 'select public.renew_shares(''binance'', ''usdm'', 64, ''[]'')'),
  '42501%', 'users hold no shares');
select alike(pg_temp.as_role('anon', null, 'select public.renew_shares(''binance'', ''usdm'', 64, ''[]'')'), '42501%', 'nor does anybody unknown');
select alike(pg_temp.as_role('analyst', 'stage-analyst', 'select public.renew_shares(''binance'', ''usdm'', 64, ''[]'')'), '42501%',
  'nor a machine of another role');
select alike(pg_temp.as_role('signal_worker', 'w-nine', 'select public.renew_shares(''binance'', ''usdm'', 64, ''[]'')'),
  '42501%w-nine is not registered%', 'nor one that never registered');
select alike(pg_temp.as_role('signal_worker', 'w-one', 'select public.renew_shares(''binance'', ''usdm'', 65, ''[]'')'), '22023%0 to 64%',
  'nobody takes more than there are');
select alike(pg_temp.as_role('signal_worker', 'w-one', 'select public.renew_shares(''Bybit!'', ''usdm'', 64, ''[]'')'), '22023%as binance%',
  'a venue is a name');
select alike(pg_temp.as_role('signal_worker', 'w-one', 'select count(*) from public.signal_shares'), '42501%',
  'a machine hears what is its own, and reads nothing else');

select * from finish();
rollback;
