-- As if these days had been filled weeks ago.
update private.partition_days
set opened_at = now() - interval '15 days', last_write_at = now() - interval '14 days'
where day = any (%(days)s)
