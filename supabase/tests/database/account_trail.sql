-- The state of an account: every change is in its trail, and only a person lifts a halt, saying why.
begin;
\ir trading_setup.psql
select plan(20);

create function pg_temp.set_status(role_name text, who text, status text, why text) returns text language sql as $$
  select pg_temp.as_role(role_name, who, format('select public.set_account_status(%L, %L, %L)',
    current_setting('test.account'), status, why));
$$;
create function pg_temp.status_is() returns text language sql as $$
  select status::text from public.exchange_accounts where id = current_setting('test.account')::uuid;
$$;
create function pg_temp.last_event() returns text language sql as $$
  select concat_ws(' | ', event_type, details ->> 'from', details ->> 'to', details ->> 'reason') from public.account_events
  where account_id = current_setting('test.account')::uuid order by id desc limit 1;
$$;

select is(pg_temp.as_role('authenticated', current_setting('test.ann'),
  $$update public.exchange_accounts set status = 'reducing' returning status$$), 'reducing', 'an owner changes it plainly');
select is(pg_temp.last_event(), 'status_changed | active | reducing', 'and it is in the trail');
select is(pg_temp.set_status('authenticated', current_setting('test.ann'), 'halted', 'news at eight'), 'halted',
  'or with a reason');
select is(pg_temp.last_event(), 'status_changed | reducing | halted | news at eight', 'which the trail keeps');
select is((select actor from public.account_events order by id desc limit 1), 'user ' || current_setting('test.ann'), 'with who it was');

select matches(pg_temp.as_role('authenticated', current_setting('test.ann'),
  $$update public.exchange_accounts set status = 'active'$$), '^55000 .*only a person lifts that, with a reason',
  'a halt is not lifted without a reason');
select matches(pg_temp.set_status('authenticated', current_setting('test.ann'), 'active', ' x '), '^22023 say why',
  'nor with none worth the name');
select matches(pg_temp.set_status('authenticated', current_setting('test.stranger'), 'active', 'let me'), '^P0002',
  'nor by a stranger');
select matches(pg_temp.set_status('trading_bridge', 'vyx-test', 'active', 'let me'), '^42501', 'nor by a machine');
select matches(pg_temp.set_status('anon', null, 'active', 'let me'), '^42501', 'nor by anybody anonymous');
select matches(pg_temp.as_role('service_role', null, $$update public.exchange_accounts set status = 'active'$$), '^55000',
  'nor by the service key without a reason');
select is(pg_temp.status_is(), 'halted', 'all that leaves it halted');
select is(pg_temp.as_role('service_role', null, format('select public.set_account_status(%L, %L, %L, %L)',
  current_setting('test.account'), 'active', 'checked with Ann', 'olga')), 'active', 'an operator lifts it with a reason');
select is((select actor from public.account_events order by id desc limit 1), 'olga', 'and a name');

select is(pg_temp.as_role('authenticated', current_setting('test.stranger'), 'select count(*) from public.account_events'), '0',
  'a stranger reads none of it');
select throws_ok($$update public.account_events set details = '{}'$$, '42501', null, 'nobody rewrites it');
select throws_ok($$delete from public.account_events$$, '42501', null, 'or removes from it');

select is(pg_temp.as_role('authenticated', current_setting('test.ann'),
  $$update public.exchange_accounts set settings = '{"margin_warn_distance": "20"}' returning settings ->> 'margin_warn_distance'$$),
  '20', 'an owner sets when nearness to liquidation is warned of');
select is((select event_type || ' ' || (details -> 'from') || ' ' || (details -> 'to') from public.account_events order by id desc limit 1),
  'settings_changed {} {"margin_warn_distance": "20"}', 'which the trail keeps');
select matches(pg_temp.as_role('authenticated', current_setting('test.ann'),
  $$update public.exchange_accounts set settings = '{"margin_warn_distance": "soon"}'$$), '^23514', 'in numbers');

select * from finish();
rollback;
