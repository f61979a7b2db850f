-- The chain of seals: only the archive reads and extends it, nobody rewrites it, and the doctor says when it lags.
begin;
\ir stage.psql
select plan(40);

select pg_temp.make_signal() as signal \gset
insert into public.audit_seals (number, kind, epoch, partition_day, from_tx, to_tx, event_count, content_hash, sealed_at,
  key_id, signature)
values (1, 'events', private.system_identifier(), private.utc_day(now()) - 400, 0, 10, 1, sha256(''), now(), 'k', sha512(''));

-- Who reads.
select is(pg_temp.as_role('archivist', null, 'select count(*) from public.audit_seals'), '1', 'the archive reads the chain');
select is(pg_temp.as_role('service_role', null, 'select count(*) from public.audit_seals'), '1', 'so does the operator');
select alike(pg_temp.as_role(r.role_name, r.who, 'select count(*) from public.audit_seals'), '42501%', r.role_name || ' does not')
from (values ('anon', null), ('signal_worker', 'stage-worker'), ('analyst', 'stage-analyst'), ('trading_bridge', 'stage-bridge'))
  r (role_name, who);
select is(pg_temp.as_role('authenticated', who::text, 'select count(*) from public.audit_seals'), '0', 'a user sees none of it')
from (values (pg_temp.ann()), (pg_temp.stranger())) r (who);

-- Who rewrites.
select alike(pg_temp.as_role(r.role_name, r.who, s.statement), '42501%', r.role_name || ': ' || s.statement)
from (values ('authenticated', pg_temp.ann()::text), ('service_role', null), ('archivist', null), ('trading_bridge', 'stage-bridge'))
  r (role_name, who),
  (values ('update public.audit_seals set event_count = 0'), ('delete from public.audit_seals'),
    ('insert into public.audit_seals select * from public.audit_seals')) s (statement);
select throws_like('update public.audit_seals set event_count = 0', '%append-only: update is refused', 'not even the owner');
select throws_like('delete from public.audit_seals', '%append-only: delete is refused', 'not even the owner');
select throws_like('truncate public.audit_seals', '%append-only: truncate is refused', 'not even the owner');

-- Who seals.
select alike(pg_temp.as_role(r.role_name, r.who, s.statement), '42501%', r.role_name || ': ' || s.statement)
from (values ('authenticated', pg_temp.ann()::text), ('service_role', null), ('signal_worker', 'stage-worker')) r (role_name, who),
  (values ('select private.begin_epoch()'), ('select private.chain_end()'), ('select private.prepare_seal(current_date)'),
    ('select private.sealed_content(current_date, 0, 10)')) s (statement);
select is(pg_temp.as_role('archivist', null, 'select private.begin_epoch()'), 'false', 'the archive begins no epoch in the usual one');
select is(pg_temp.as_role('archivist', null, 'select number from private.chain_end()'), '2', 'and asks where the chain ends');
select is(pg_temp.as_role('archivist', null, format('select event_count from private.sealed_content(%L, 0, 1::bigint << 62)',
  private.utc_day(now() - interval '1 minute'))), '1', 'and what a seal would cover');

-- The doctor.
select is(private.check_seals() -> 'ok', 'true', 'a signal of a moment ago may wait for its seal');
select is(private.check_seals() -> 'found' ->> 'newest', '1', 'the newest seal is named');

select * from finish();
rollback;
