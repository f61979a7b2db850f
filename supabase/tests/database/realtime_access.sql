-- Users join their own topics, machines the machines' topic, and nobody any other.
begin;
\ir stage.psql
select plan(9);

-- Whether a role may join a private topic: a probe row of the topic is visible to it.
create function pg_temp.may_join(role_name text, who text, topic text) returns text language plpgsql as $$
declare
  probe uuid;
begin
  insert into realtime.messages (topic, extension) values (may_join.topic, 'broadcast') returning id into probe;
  perform set_config('realtime.topic', topic, true);
  return pg_temp.as_role(role_name, who, format('select count(*) from realtime.messages where id = %L', probe));
end;
$$;
select is(pg_temp.may_join('authenticated', pg_temp.ann()::text, 'user:' || pg_temp.ann() || ':signals'), '1', 'her signals');
select is(pg_temp.may_join('authenticated', pg_temp.ann()::text, 'user:' || pg_temp.ann() || ':trading'), '1', 'her trading');
select is(pg_temp.may_join('authenticated', pg_temp.stranger()::text, 'user:' || pg_temp.ann() || ':signals'), '0', 'not a stranger');
select is(pg_temp.may_join('authenticated', pg_temp.ann()::text, 'machines'), '0', 'no user among the machines');
select is(pg_temp.may_join('signal_worker', 'stage-worker', 'machines'), '1', 'a worker');
select is(pg_temp.may_join('analyst', 'stage-analyst', 'machines'), '1', 'an analyst');
select is(pg_temp.may_join('trading_bridge', 'stage-bridge', 'machines'), '1', 'a bridge');
select is(pg_temp.may_join('signal_worker', 'stage-worker', 'user:' || pg_temp.ann() || ':signals'), '0', 'no machine on a user''s topic');
select is(pg_temp.may_join('anon', null, 'machines'), '0', 'anonymous nowhere');

select * from finish();
rollback;
