-- A model is asked about a signal by who holds it, within the day's budget; its answer is stored once and used again.
begin;
\ir stage.psql
select plan(37);

select pg_temp.make_signal(pg_temp.eli_trader(), 'S1USDT') as first \gset
select pg_temp.make_signal(pg_temp.eli_trader(), 'S2USDT') as second \gset
select pg_temp.claim('analysis') as held \gset
create temporary table held as
select (h ->> 'signal_id')::uuid as signal, (h ->> 'fence')::bigint as fence from jsonb_array_elements(:'held'::jsonb) h;

-- What begin_model_call answers about a signal; `call` is the last digit of the attempt's id.
create function pg_temp.begin_call(signal uuid, call integer, daily_calls bigint default null, daily_cost numeric default null,
  who text default 'stage-analyst', fenced bigint default null, asked text default 'a question') returns jsonb
language plpgsql as $$
declare
  answer text := pg_temp.as_role('analyst', who, format(
    'select public.begin_model_call(%L, %s, %L, %L, %L, 0.5, %s, %s)', signal,
    coalesce(fenced, (select h.fence from held h where h.signal = begin_call.signal)),
    '00000000-0000-4000-8000-00000000000' || call, 'gpt-test', jsonb_build_object('messages', asked),
    coalesce(daily_calls::text, 'null'), coalesce(daily_cost::text, 'null')));
begin
  return case when answer like '{%' then answer::jsonb else to_jsonb(answer) end;
end;
$$;
create function pg_temp.end_call(signal uuid, call integer, result jsonb, who text default 'stage-analyst') returns jsonb
language plpgsql as $$
declare
  answer text := pg_temp.as_role('analyst', who, format('select public.end_model_call(%L, %L, %L)', signal,
    '00000000-0000-4000-8000-00000000000' || call, result));
begin
  return case when answer like '{%' then answer::jsonb else to_jsonb(answer) end;
end;
$$;
create function pg_temp.spent() returns text language sql as $$
  select coalesce((select calls || ' for ' || cost from private.model_spending where day = private.utc_day(clock_timestamp())), 'nothing')
$$;
create function pg_temp.story(signal uuid) returns jsonb language sql as $$
  select jsonb_agg(event_type order by number) from public.signal_events where signal_id = signal;
$$;

-- Who may ask.
select is(pg_temp.begin_call(:'first', 1, fenced => 0) ->> 'decision', 'lost', 'another fence holds nothing');
select is(pg_temp.begin_call(:'first', 1, who => 'stage-analyst-2') ->> 'decision', 'lost', 'nor does another machine');
select is(pg_temp.spent(), 'nothing', 'and nothing is booked');
select alike(pg_temp.as_role('authenticated', pg_temp.eli()::text, format(
  'select public.begin_model_call(%L, 1, gen_random_uuid(), ''m'', ''{}'', 0)', :'first')), '42501%', 'users ask no model');
select alike(pg_temp.as_role('anon', null, format('select public.end_model_call(%L, gen_random_uuid(), ''{}'')', :'first')), '42501%',
  'nor does anonymous');
select alike(pg_temp.as_role('signal_worker', 'stage-worker', format(
  'select public.begin_model_call(%L, 1, gen_random_uuid(), ''m'', ''{}'', 0)', :'first')), '42501%', 'nor a worker');
select alike(pg_temp.begin_call(:'first', 1, asked => repeat('x', 40000)) #>> '{}', '22023%32 KB%', 'a question has a length');

-- A first attempt.
select is(pg_temp.begin_call(:'first', 1, asked => 'what of it?'),
  '{"decision": "ask", "attempt": 1, "request": {"messages": "what of it?"}}', 'who holds the signal may ask');
select is(pg_temp.spent(), '1 for 0.5', 'the most that it can cost is booked');
select is(pg_temp.begin_call(:'first', 1) ->> 'attempt', '1', 'the same attempt told again is the same');
select is(pg_temp.spent(), '1 for 0.5', 'and books nothing more');
select is(pg_temp.story(:'first'), '["signal_created", "analysis_started", "analysis_requested"]', 'the trail has the question');
select is((select event_data - 'call_id' from public.signal_events where signal_id = :'first' and number = 3),
  '{"model": "gpt-test", "attempt": 1, "request": {"messages": "what of it?"}}', 'with what is sent');

-- It fails.
select alike(pg_temp.end_call(:'first', 1, '{"cost": "0"}') #>> '{}', '22023%', 'an end is an answer or an error');
select alike(pg_temp.end_call(:'first', 1, '{"error": "x", "cost": "NaN"}') #>> '{}', '22023%', 'and has a cost');
select alike(pg_temp.end_call(:'first', 1, '{"error": "x", "cost": "0", "prompt_tokens": -1}') #>> '{}', '22023%', 'and counts');
select is(pg_temp.end_call(:'first', 1, '{"error": "no answer", "cost": "0"}', 'stage-analyst-2') ->> 'decision', 'failed',
  'another machine does not end it');
select is(pg_temp.spent(), '1 for 0.5', 'what it says counts for nothing');
select is(pg_temp.end_call(:'first', 1, '{"error": "no answer", "cost": "0", "latency_ms": 12}'), '{"decision": "failed"}', 'its own does');
select is(pg_temp.spent(), '1 for 0.0', 'a call that was not answered gives its money back');
select is(pg_temp.end_call(:'first', 1, '{"error": "no answer", "cost": "0"}'), '{"decision": "failed"}', 'told again, nothing happens');
select is((select error_info from public.signal_events where signal_id = :'first' and number = 4), '{"error": "no answer"}', 'the trail says why');

-- Another attempt, of which nobody learns the end, and a third.
select is(pg_temp.begin_call(:'first', 2, asked => 'something else') -> 'request', '{"messages": "what of it?"}',
  'every attempt sends the same');
select is(pg_temp.begin_call(:'first', 3) ->> 'attempt', '3', 'an attempt without an end is followed by another');
select is(pg_temp.spent(), '3 for 1.0', 'both count as paid for');
select is(pg_temp.end_call(:'first', 3, '{"answer": {"content": "yes"}, "cost": "0.2", "prompt_tokens": 900, "completion_tokens": 90,
    "latency_ms": 700}') - 'model', '{"decision": "answered", "attempt": 3, "answer": {"content": "yes"}, "prompt_tokens": 900,
    "completion_tokens": 90, "latency_ms": 712, "cost": "0.7"}', 'the answer is stored with what all attempts cost');
select is(pg_temp.spent(), '3 for 0.7', 'and with what it cost');
select is(pg_temp.end_call(:'first', 2, '{"answer": {"content": "no"}, "cost": "9"}') #>> '{answer,content}', 'yes',
  'a late answer to an earlier attempt changes nothing');
select is(pg_temp.begin_call(:'first', 4) #>> '{answer,content}', 'yes', 'whoever asks again has that answer');
select is(pg_temp.spent(), '3 for 0.7', 'for nothing');
select is(pg_temp.story(:'first') -> -1, '"analysis_answered"', 'the trail ends with the answer');

-- The day's budget.
select is(pg_temp.begin_call(:'second', 5, daily_calls => 3), '{"decision": "over_budget"}', 'no more calls than a day may have');
select is(pg_temp.begin_call(:'second', 5, daily_cost => 1.19), '{"decision": "over_budget"}', 'nor more than may be spent');
select is(pg_temp.story(:'second'), '["signal_created", "analysis_started"]', 'what is not sent is not in the trail');
select is(pg_temp.begin_call(:'second', 5, daily_calls => 4, daily_cost => 1.2) ->> 'decision', 'ask', 'to the last of both');

-- Who reads it.
select is(pg_temp.as_role('authenticated', pg_temp.eli()::text, 'select count(*) from public.model_calls'), '2', 'the owner reads it');
select is(pg_temp.as_role('authenticated', pg_temp.stranger()::text, 'select count(*) from public.model_calls'), '0', 'a stranger does not');

select * from finish();
rollback;
