-- Whoever signs up is a user on the free tier; only an operator changes tiers; nobody sees anyone else.
begin;
\ir stage.psql
select plan(9);

select results_eq(
  $$ select email, tier::text from public.users where id = pg_temp.ann() $$,
  $$ values ('ann@stage.test', 'free') $$, 'signing up makes a free user');
update auth.users set email = 'ann@new.test' where id = pg_temp.ann();
select is((select email from public.users where id = pg_temp.ann()), 'ann@new.test', 'a new address is mirrored');

select is(pg_temp.as_role('authenticated', pg_temp.ann()::text, 'select count(*) from public.users'), '1',
  'a user reads themselves alone');
select is(pg_temp.as_role('authenticated', pg_temp.stranger()::text,
  format('select count(*) from public.users where id = %L', pg_temp.ann())), '0', 'a stranger does not read Ann');
select alike(pg_temp.as_role('authenticated', pg_temp.ann()::text, 'update public.users set tier = ''elite'''), '42501%',
  'a user does not choose the tier');
select alike(pg_temp.as_role('anon', null, 'select count(*) from public.users'), '42501%', 'anonymous reads no user');
select alike(pg_temp.as_role('signal_worker', 'stage-worker', 'select count(*) from public.users'), '42501%',
  'a machine reads no user');
select is(pg_temp.as_role('service_role', null,
  format('update public.users set tier = ''elite'' where id = %L returning tier', pg_temp.ann())), 'elite',
  'an operator sets the tier');
delete from auth.users where id = pg_temp.stranger();
select is((select count(*) from public.users where id = pg_temp.stranger()), 0::bigint, 'who leaves is gone');

select * from finish();
rollback;
