-- An analyst works on analysis and monitoring, a bridge on trading, and only machines that are registered.
begin;
\ir stage.psql
select plan(11);

create function pg_temp.claim_as(role_name text, who text, stage text) returns text language sql as $$
  select pg_temp.as_role(role_name, who, format('select count(*) from public.claim_work(%L)', stage));
$$;
select matches(pg_temp.claim_as('analyst', 'stage-analyst', 'analysis'), '^\d+$', 'an analyst claims analysis');
select matches(pg_temp.claim_as('analyst', 'stage-analyst', 'monitoring'), '^\d+$', 'and monitoring');
select alike(pg_temp.claim_as('analyst', 'stage-analyst', 'trading'), '42501 role analyst does not work on trading', 'not trading');
select matches(pg_temp.claim_as('trading_bridge', 'stage-bridge', 'trading'), '^\d+$', 'a bridge claims trading');
select alike(pg_temp.claim_as('trading_bridge', 'stage-bridge', 'analysis'), '42501 role trading_bridge%', 'not analysis');
select alike(pg_temp.claim_as('signal_worker', 'stage-worker', 'analysis'), '42501%', 'a worker claims nothing');
select alike(pg_temp.claim_as('authenticated', pg_temp.ann()::text, 'analysis'), '42501%', 'nor does a user');
select alike(pg_temp.claim_as('anon', null, 'analysis'), '42501%', 'nor anonymous');
select alike(pg_temp.claim_as('analyst', 'ghost', 'analysis'), '42501 machine ghost is not registered', 'nor an unknown machine');
select alike(pg_temp.claim_as('analyst', null, 'analysis'), '42501 machine (none) is not registered', 'nor a nameless one');
select alike(pg_temp.claim_as('analyst', 'stage-analyst', 'mining'), '22023 a stage is%', 'a stage must exist');

select * from finish();
rollback;
