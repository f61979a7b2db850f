-- What the database does by itself, by pg_cron with five fields (its older versions know no seconds).

-- Removes what nobody asks for any more.
create function private.prune() returns void
language plpgsql security definer
set search_path = ''
as $$
begin
  delete from private.ingest_requests r where r.created_at < now() - interval '24 hours';
  delete from public.signal_watchers w where w.watched_until < now() - interval '1 hour';
  delete from public.usage_daily d where d.day < current_date - 400;
  delete from public.trader_usage_daily d where d.day < current_date - 400;
  -- Nothing else prunes what the jobs themselves leave behind.
  if to_regclass('cron.job_run_details') is not null then
    execute 'delete from cron.job_run_details where end_time < now() - interval ''3 days''';
  end if;
end;
$$;

-- pg_cron lives in one database of a cluster. In another one, as tests make them, nothing is scheduled, and the
-- doctor says so.
do $$
begin
  if current_database() = coalesce(current_setting('cron.database_name', true), 'postgres') then
    create extension if not exists pg_cron;
    perform cron.schedule('sigtrail partitions', '7 * * * *', 'select private.ensure_partitions()');
    perform cron.schedule('sigtrail leases', '* * * * *', 'select private.return_expired_leases()');
    perform cron.schedule('sigtrail counters', '* * * * *', 'select private.roll_up_traders()');
    perform cron.schedule('sigtrail broadcasts', '* * * * *', 'select private.flush_broadcasts()');
    perform cron.schedule('sigtrail prune', '23 * * * *', 'select private.prune()');
  end if;
end;
$$;
