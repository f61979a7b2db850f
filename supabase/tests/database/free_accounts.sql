-- Accounts that nobody holds: however many there are, whoever asks now and then hears of every one.
begin;
\ir trading_setup.psql
select plan(2);

insert into public.exchange_accounts (user_id, name, venue, market, permissions)
select current_setting('test.ann')::uuid, 'Free ' || n, 'binanceusdm', 'usdm', 'trade' from generate_series(1, 130) n;

create function pg_temp.free_accounts(nth integer) returns setof text language sql as $$
  select jsonb_array_elements_text(answer::jsonb) from pg_temp.as_role('trading_bridge', 'vyx-test',
    $call$select public.renew_accounts('[]') -> 'free'$call$) answer;
$$;

select cmp_ok((select count(*)::integer from pg_temp.free_accounts(0)), '=', 100, 'a hundred are named at once');
-- One that is not among these thirty hundreds would be a chance of one in ten to the seventeenth.
select is_empty(
  $$select id::text from public.exchange_accounts where name like 'Free %'
    except select f from generate_series(1, 30) n, pg_temp.free_accounts(n) f$$,
  'and none of the others stays behind them for good');

select * from finish();
rollback;
