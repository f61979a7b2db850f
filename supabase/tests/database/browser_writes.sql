-- A user's own clients send so many signals within any 60 seconds, by whichever door, and machines are not counted.
begin;
\ir stage.psql
select plan(26);

create function pg_temp.rows(n integer, first integer default 1, trader uuid default pg_temp.pia_trader()) returns jsonb
language sql as $$
  select jsonb_agg(pg_temp.row(trader, 'S' || i || 'USDT') order by i) from generate_series(first, first + n - 1) i;
$$;
-- What a user's call answers: the JSON of the function, or '429 code: message, retry after s'.
create function pg_temp.send(rows jsonb, who uuid default pg_temp.pia(), request uuid default null) returns text
language plpgsql as $$
declare
  said text;
  more text;
begin
  perform set_config('request.jwt.claims', jsonb_build_object('role', 'authenticated', 'sub', who)::text, true);
  perform set_config('role', 'authenticated', true);
  begin
    select a ->> 'inserted' into said from public.ingest_signals(rows::json, request) a;
  exception when sqlstate 'PGRST' then
    get stacked diagnostics said = message_text, more = pg_exception_detail;
    said := concat_ws(' ', more::jsonb ->> 'status', said::jsonb ->> 'code', more::jsonb -> 'headers' ->> 'Retry-After');
  end;
  perform set_config('role', 'none', true), set_config('request.jwt.claims', '', true);
  return said;
end;
$$;
-- Moves what a user sent into the past.
create function pg_temp.wait(seconds integer) returns void language sql as $$
  update private.browser_writes w set recent = (
    select coalesce(jsonb_object_agg((r.key::bigint - seconds)::text, r.value), '{}') from jsonb_each(w.recent) r);
$$;
create function pg_temp.used(who uuid) returns bigint language sql as $$
  select sum(r.value::integer) from private.browser_writes w, jsonb_each(w.recent) r where w.user_id = who;
$$;

select is((select jsonb_object_agg(tier, writes_per_minute) from public.tiers), '{"free": 100, "pro": 1000, "elite": null}',
  'each tier has its rate');
select is(pg_temp.send(pg_temp.rows(600)), '600', 'pro sends six hundred');
select is(pg_temp.send(pg_temp.rows(400, 601)), '400', 'and four hundred more');
select matches(pg_temp.send(pg_temp.rows(1, 2000)), '^429 rate_limited (60|61)$', 'but not one more');
select is((select count(*) from public.signals where user_id = pg_temp.pia()), 1000::bigint, 'which was not recorded');
select is(pg_temp.used(pg_temp.pia()), 1000::bigint, 'and is not counted');
select matches(pg_temp.send(pg_temp.rows(1)), '^429 rate_limited', 'a signal that is known is a write too');
select is(pg_temp.send('[]'), '0', 'an empty batch is none');

select pg_temp.wait(40);
select matches(pg_temp.send(pg_temp.rows(1, 2000)), '^429 rate_limited (20|21)$', 'who waits is told how long it still takes');
select pg_temp.wait(21);
select is(pg_temp.send(pg_temp.rows(999, 2000)), '999', 'after that there is room again');
select pg_temp.wait(30);
select is(pg_temp.send(pg_temp.rows(1, 3000)), '1', 'to the last one');
select matches(pg_temp.send(pg_temp.rows(2, 3001)), '^429 rate_limited (30|31)$', 'the first second whose going makes room is named');
select is((select count(*) from private.browser_writes w, jsonb_object_keys(w.recent) where w.user_id = pg_temp.pia()), 2::bigint,
  'what is past is forgotten');
select is(pg_temp.send(pg_temp.rows(1001, 1, pg_temp.ann_trader())), '413 too_many_rows', 'what can never fit is refused as that');

-- A batch that is sent again under its request_id costs nothing.
select pg_temp.wait(100);
select is(pg_temp.send(pg_temp.rows(1000, 4000), pg_temp.pia(), '00000000-0000-4000-8000-00000000c001'), '1000', 'a whole minute at once');
select is(pg_temp.send(pg_temp.rows(1000, 4000), pg_temp.pia(), '00000000-0000-4000-8000-00000000c001'), '1000',
  'its answer is given again');
select matches(pg_temp.send(pg_temp.rows(1000, 4000), pg_temp.pia(), '00000000-0000-4000-8000-00000000c002'), '^429',
  'under another one it is another call');
select is((select count(*) from private.ingest_requests where request_id = '00000000-0000-4000-8000-00000000c002'), 0::bigint,
  'and a call that was refused may be sent again under its own');
select matches(pg_temp.send('[]', pg_temp.pia(), '00000000-0000-4000-8000-00000000c003'), '^429',
  'nobody has empty batches remembered without end');

-- The other doors.
select matches(pg_temp.as_role('authenticated', pg_temp.pia()::text, format(
    'insert into public.signals (id, trader_id, symbol, "interval", side, triggered_at, initial_price)
     select public.signal_id(%1$L, ''P1'', ''1m'', date_trunc(''second'', now())), %1$L, ''P1'', ''1m'', ''long'',
       date_trunc(''second'', now()), 1', pg_temp.pia_trader())), '^PGRST .*rate_limited', 'a plain insert counts as well');
select pg_temp.wait(100);
select is(pg_temp.as_role('authenticated', pg_temp.pia()::text, format(
    'insert into public.signals (id, trader_id, symbol, "interval", side, triggered_at, initial_price)
     select public.signal_id(%1$L, ''P'' || i, ''1m'', date_trunc(''second'', now())), %1$L, ''P'' || i, ''1m'', ''long'',
       date_trunc(''second'', now()), 1 from generate_series(1, 7) i returning 1', pg_temp.pia_trader())), '1', 'and passes');
select is((select value from private.browser_writes w, jsonb_each(w.recent) where w.user_id = pg_temp.pia()
  order by key desc limit 1), '7', 'with all its rows');
select is(pg_temp.ingest(pg_temp.rows(1500, 5000)) ->> 'inserted', '1500', 'a machine is not counted');

-- Who else.
select is(pg_temp.send(pg_temp.rows(2000, 1, pg_temp.eli_trader()), pg_temp.eli()), '2000', 'elite is not limited');
select matches(pg_temp.send(pg_temp.rows(1, 1), pg_temp.stranger()), '^0$', 'a stranger writes nothing of Pia''s');
select ok(not has_function_privilege('authenticated', 'private.spend_writes(uuid, integer)', 'execute')
    and not has_function_privilege('anon', 'private.spend_writes(uuid, integer)', 'execute')
    and not has_function_privilege('signal_worker', 'private.spend_writes(uuid, integer)', 'execute')
    and not has_table_privilege('authenticated', 'private.browser_writes', 'select, insert, update, delete')
    and not has_table_privilege('anon', 'private.browser_writes', 'select, insert, update, delete'),
  'nobody but the functions themselves reaches the count');

select * from finish();
rollback;
