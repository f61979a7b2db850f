-- Whether a page of signals that somebody keeps is still what the database would answer.

-- The caller, and a text that changes whenever one of their signals that fired at or after `since` was recorded or
-- changed its status. It reads the rollup, not the signals: every such change leaves a new version of a rollup's row,
-- and no transaction makes two. What changes nothing there (a price, a profit, tags) does not change it.
create function public.signals_version(since timestamptz) returns jsonb
language sql stable
set search_path = ''
as $$
  select jsonb_build_object('user_id', (select auth.uid()), 'version', coalesce(
    md5(string_agg(concat_ws(' ', c.hour, c.status, c.shard, c.xmin), ',' order by c.hour, c.status, c.shard)), ''))
  from public.signal_counts c
  where c.user_id = (select auth.uid()) and c.hour >= date_trunc('hour', since, 'UTC');
$$;

grant execute on function public.signals_version(timestamptz) to authenticated;
