-- Backtests are kept by their owners: nobody else sees them, and nothing of them can be changed.
begin;
\ir stage.psql
select plan(26);

create function pg_temp.report(more jsonb default '{}') returns jsonb immutable language sql as $$
  select '{"version": 1, "name": "Dips", "starts_at": "2025-05-04T15:33:00+00:00", "ends_at": "2025-06-03T15:32:00+00:00",
    "symbols": ["BTCUSDT"], "figures": {"profit": "12.5", "sharpe": null}, "traders": [],
    "equity": {"step_ms": 60000, "points": [{"at": "2025-05-04T15:34:00+00:00", "equity": "10000"}]},
    "trades": [{"pnl": "12.5"}]}'::jsonb || more;
$$;
create function pg_temp.save(who uuid, more jsonb default '{}', owner uuid default null) returns text language sql as $$
  select pg_temp.as_role('authenticated', who::text, format('select public.save_backtest(%L, %L)', pg_temp.report(more), owner));
$$;
create function pg_temp.as_ann(statement text) returns text language sql as $$
  select pg_temp.as_role('authenticated', pg_temp.ann()::text, statement);
$$;

-- Who may -------------------------------------------------------------------------------------------------

select pg_temp.save(pg_temp.ann()) as kept \gset
select is(pg_temp.as_ann('select id from public.backtests'), :'kept', 'an owner keeps a backtest and reads it');
select is(pg_temp.as_ann('select figures ->> ''profit'' from public.backtests'), '12.5', 'its figures are apart, for lists');
select is(pg_temp.as_ann('select report ? ''equity'' or report ? ''trades'' from public.backtests'), 'false',
  'the report is without what is long');
select is(pg_temp.as_ann('select (equity ->> ''step_ms'') || '' '' || (trades #>> ''{0,pnl}'') from public.backtests'), '60000 12.5',
  'which stands beside it');
select is(pg_temp.as_ann('select ends_at - starts_at from public.backtests'), '29 days 23:59:00', 'the time that was played is known');
select is(pg_temp.as_role('authenticated', pg_temp.stranger()::text, 'select count(*) from public.backtests'), '0',
  'a stranger sees nothing of it');
select is(pg_temp.as_role('authenticated', pg_temp.stranger()::text, 'with gone as (delete from public.backtests returning 1) select count(*) from gone'),
  '0', 'nor removes it');
select matches(pg_temp.save(pg_temp.stranger(), '{}', pg_temp.ann()), '^42501 a backtest is kept for oneself', 'nor keeps one for others');
select matches(pg_temp.as_role('signal_worker', 'stage-worker', format('select public.save_backtest(%L)', pg_temp.report())), '^42501',
  'a machine keeps none');
select matches(pg_temp.as_role('trading_bridge', 'stage-bridge', 'select count(*) from public.backtests'), '^42501', 'nor reads any');
select matches(pg_temp.as_role('analyst', 'stage-analyst', 'select count(*) from public.backtests'), '^42501', 'whatever its role');
select matches(pg_temp.as_role('anon', null, format('select public.save_backtest(%L)', pg_temp.report())), '^42501',
  'nor does anybody anonymous keep one');
select matches(pg_temp.as_role('anon', null, 'select count(*) from public.backtests'), '^42501', 'nor read any');
select isnt(pg_temp.as_role('service_role', null, format('select public.save_backtest(%L, %L)', pg_temp.report('{"name": "Kept for Pia"}'),
  pg_temp.pia())), null, 'an operator keeps one for a user');
select is(pg_temp.as_role('authenticated', pg_temp.pia()::text, 'select string_agg(name, '', '') from public.backtests'), 'Kept for Pia',
  'who has it then');
select matches(pg_temp.as_role('service_role', null, format('select public.save_backtest(%L)', pg_temp.report())), '^P0002',
  'an operator has to say whose it is');

-- What it is ------------------------------------------------------------------------------------------------

select matches(pg_temp.as_ann('insert into public.backtests (user_id, name) values (auth.uid(), ''x'')'), '^42501',
  'nobody writes past the function');
select matches(pg_temp.as_ann('update public.backtests set figures = ''{"profit": "1000000"}'''), '^42501', 'or makes one better');
select matches(pg_temp.save(pg_temp.ann(), '{"version": 2}'), '^22023 this is no report', 'another version is no report');
select matches(pg_temp.save(pg_temp.ann(), '{"equity": null}'), '^22023 this is no report', 'nor is one without a curve');
select matches(pg_temp.save(pg_temp.ann(), '{"starts_at": "yesterday-ish"}'), '^22023 this is no report', 'or without its time');
select matches(pg_temp.save(pg_temp.ann(), '{"ends_at": "2025-05-04T15:33:00+00:00"}'), '^23514.*a backtest ends after its start',
  'it lasts');
select matches(pg_temp.save(pg_temp.ann(), '{"name": "  "}'), '^23514.*a name', 'and has a name');
select matches(pg_temp.save(pg_temp.ann(), jsonb_build_object('equity', jsonb_build_object('step_ms', 1, 'points',
  (select jsonb_agg(1) from generate_series(1, 10001))))), '^23514.*a curve has', 'a curve has an end');

insert into public.backtests (user_id, name, starts_at, ends_at, figures, report, equity, trades)
select pg_temp.ann(), 'Many', b.starts_at, b.ends_at, b.figures, b.report, b.equity, b.trades
from public.backtests b, generate_series(1, 199) where b.user_id = pg_temp.ann();
select matches(pg_temp.save(pg_temp.ann()), '^54000 a user keeps at most 200 backtests', 'and so does what one keeps');
select is(pg_temp.as_ann('with gone as (delete from public.backtests returning 1) select count(*) from gone'), '200',
  'an owner removes what is not wanted any more');

select * from finish();
rollback;
