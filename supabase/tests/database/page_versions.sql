-- A page that somebody keeps is known to be out of date as soon as a signal of theirs came or changed its status.
begin;
\ir stage.psql
select plan(10);

create function pg_temp.version(who uuid default pg_temp.pia(), since interval default '1 day') returns text language sql as $$
  select pg_temp.as_role('authenticated', who::text, format(
    'select public.signals_version(%L) ->> ''version''', now() - since));
$$;
create temporary table seen (place integer generated always as identity, version text);
create function pg_temp.changed() returns boolean language plpgsql as $$
declare
  last text := (select s.version from seen s order by s.place desc limit 1);
  now_is text := pg_temp.version();
begin
  insert into seen (version) values (now_is);
  return last is distinct from now_is;
end;
$$;

select is(pg_temp.version(), '', 'who has no signals has a version too');
select pg_temp.changed();
select ok(not pg_temp.changed(), 'nothing changes while nothing happens');
select pg_temp.make_signal(pg_temp.pia_trader());
select ok(pg_temp.changed(), 'a signal that comes changes it');
select ok(not pg_temp.changed(), 'once');
select pg_temp.make_signal(pg_temp.eli_trader());
select ok(not pg_temp.changed(), 'another''s signal does not');
select is(pg_temp.version(pg_temp.stranger()), '', 'nor is it seen by a stranger');
select isnt(pg_temp.version(pg_temp.eli()), pg_temp.version(pg_temp.pia()), 'each has their own');
select is(pg_temp.as_role('authenticated', pg_temp.pia()::text, 'select public.signals_version(now()) ->> ''user_id'''),
  pg_temp.pia()::text, 'it says whose it is');
select matches(pg_temp.as_role('anon', null, 'select public.signals_version(now())'), '^42501', 'an anonymous caller has none');
select matches(pg_temp.as_role('signal_worker', 'stage-worker', 'select public.signals_version(now())'), '^42501', 'nor has a machine');

select * from finish();
rollback;
