-- An analyst's verdict moves a signal on with its plan, or ends it with a reason; an impossible one is refused with a reason.
begin;
\ir stage.psql
select plan(27);

create temporary table held as
select pg_temp.make_signal(pg_temp.eli_trader(), 'S' || n || 'USDT') as signal, n from generate_series(1, 3) n;
select pg_temp.claim('analysis') as held \gset

-- What is answered to the first held signal's result with changes to a sound one.
create function pg_temp.refusal(held jsonb, changes jsonb) returns text language sql as $$
  select a #>> '{refused,0,code}' || ': ' || (a #>> '{refused,0,message}')
  from (select pg_temp.tell('complete_analysis', jsonb_build_array((held -> 0) || pg_temp.approved() || changes)) a) answer;
$$;
create function pg_temp.bad_plan(held jsonb, changes jsonb) returns text language sql as $$
  select pg_temp.refusal(held, jsonb_build_object('plan', jsonb_strip_nulls(pg_temp.plan() || changes)));
$$;

select is(pg_temp.refusal(:'held', '{"verdict": "maybe"}'), 'bad_result: verdict must be approved or rejected', 'no such verdict');
select is(pg_temp.refusal(:'held', '{"confidence": "1.01"}'), 'bad_result: confidence must be a decimal between 0 and 1', 'too sure');
select is(pg_temp.refusal(:'held', '{"confidence": "NaN"}'), 'bad_result: confidence must be a decimal between 0 and 1', 'no number');
select is(pg_temp.refusal(:'held', '{"plan": null}'), 'bad_result: plan is missing', 'no plan');
select is(pg_temp.bad_plan(:'held', '{"side": "up"}'), 'bad_result: plan.side must be long or short', 'no side');
select is(pg_temp.bad_plan(:'held', '{"entry_type": "magic"}'), 'bad_result: plan.entry_type must be market, limit, post_only or stop', 'no way in');
select is(pg_temp.bad_plan(:'held', '{"entry": "0"}'), 'bad_result: plan.entry must be a price above zero', 'no entry');
select is(pg_temp.bad_plan(:'held', '{"stop_loss": null}'), 'bad_result: plan.stop_loss must be a price above zero', 'no stop');
select is(pg_temp.bad_plan(:'held', '{"stop_loss": "64500"}'),
  'bad_result: plan of a long must have stop_loss below entry below take_profit', 'a stop on the wrong side');
select is(pg_temp.bad_plan(:'held', '{"side": "short"}'),
  'bad_result: plan of a short must have take_profit below entry below stop_loss', 'a long''s prices for a short');
select is(pg_temp.bad_plan(:'held', '{"size": "-1"}'), 'bad_result: plan.size must be above zero', 'a negative size');
select is(pg_temp.bad_plan(:'held', '{"reward_to_risk": "good"}'), 'bad_result: plan.reward_to_risk must be a decimal', 'no ratio');
select is(pg_temp.bad_plan(:'held', '{"valid_until": "soon"}'), 'bad_result: plan.valid_until must be a time', 'no time');
select is(pg_temp.bad_plan(:'held', '{"valid_until": "2020-01-01T00:00:00Z"}'), 'bad_result: plan.valid_until is over', 'too late');
select is(pg_temp.refusal(:'held', '{"verdict": "rejected"}'), 'bad_result: outcome_code is missing', 'a no without a reason');
select is(pg_temp.refusal(:'held', '{"verdict": "rejected", "outcome_code": "take_profit"}'),
  'bad_result: outcome_code take_profit is no reason to be rejected', 'a reason of another end');
select is(pg_temp.refusal(:'held', '{"fence": 0}'), 'lease_lost: the signal is not held with this fence at stage analysis',
  'another fence');
select is(pg_temp.refusal(:'held', '{"signal_id": "me"}'), 'bad_result: signal_id is missing or no uuid', 'no signal');
select is(pg_temp.refusal(:'held', '{"result": {"why": 1e9999}}'),
  'bad_result: the item must fit in 64 KB, with numbers between -1e40 and 1e40', 'a number that explodes');
select is(pg_temp.refusal(:'held', jsonb_build_object('result', repeat('x', 70000))),
  'bad_result: the item must fit in 64 KB, with numbers between -1e40 and 1e40', 'a result of any size');
select is_empty($$ select from held h join public.signals s on s.id = h.signal where s.status <> 'analyzing' $$,
  'what is refused leaves no trace');

select pg_temp.tell('complete_analysis', jsonb_build_array(
  (:'held'::jsonb -> 0) || pg_temp.approved(),
  (:'held'::jsonb -> 1) || '{"verdict": "rejected", "confidence": "0.2", "outcome_code": "against_trend", "result": {"trend": -1}}',
  (:'held'::jsonb -> 1) || '{"verdict": "rejected", "confidence": "0.2", "outcome_code": "low_confidence"}',
  (:'held'::jsonb -> 2) || '{"verdict": "no"}'), 'stage-analyst', now() + interval '1 second') as answer \gset
select is(:'answer'::jsonb -> 'done', '2', 'sound results are taken beside bad ones');
select is((select jsonb_agg(r -> 'code') from jsonb_array_elements(:'answer'::jsonb -> 'refused') r), '["duplicate", "bad_result"]',
  'the others are named');
select results_eq($$ select status::text, outcome_code, analysis_confidence, analysis_result, analysis_trade_plan is not null,
    analyzed_at = now() + interval '1 second', closed_at is not null
  from held h join public.signals s on s.id = h.signal order by s.status $$,
  $$ values ('analyzing', null, null, null::jsonb, false, null, false),
    ('rejected', 'against_trend', 0.2, '{"trend": -1}', false, true, true),
    ('monitoring', null, 0.8, '{}', true, true, false) $$, 'each signal is where its verdict puts it');
select is((select count(*) from public.signal_queue q join held h on h.signal = q.signal_id where stage = 'monitoring'), 1::bigint,
  'the approved one waits for a monitor');
select is((select count(*) from public.signal_queue q join held h on h.signal = q.signal_id), 2::bigint, 'the ended one for nobody');
select alike(pg_temp.as_role('signal_worker', 'stage-worker', 'select public.complete_analysis(''[]'')'), '42501%',
  'only analysts say so');

select * from finish();
rollback;
