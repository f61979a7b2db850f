-- How far the archive came.
select
  (select count(distinct f.partition_day) from public.archive_files f) as days_archived,
  (select max(f.partition_day) from public.archive_files f) as newest_day,
  (select count(*) from public.archive_files f) as files,
  (select coalesce(sum(f.byte_count), 0)::bigint from public.archive_files f) as bytes,
  (select max(f.verified_at) from public.archive_files f) as last_verified_at,
  (select count(*) from private.days_to_archive()) as days_waiting,
  (select min(d.day) from private.days_to_archive() d) as oldest_waiting,
  (select max(s.number) from public.audit_seals s) as seals,
  (select max(s.sealed_at) from public.audit_seals s) as last_sealed_at
