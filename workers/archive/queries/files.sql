-- The verified files of these days that may hold rows of a user, in order.
select partition_day, part, kind, number, path, row_count, creation_count, byte_count, file_hash, from_tx, to_tx
from public.archive_files
where verified_at is not null
  and (%(first)s::date is null or partition_day >= %(first)s)
  and (%(last)s::date is null or partition_day <= %(last)s)
  and (%(user)s::uuid is null or first_user_id is null or %(user)s between first_user_id and last_user_id)
  and (%(kinds)s::text[] is null or kind = any (%(kinds)s))
order by partition_day, part, kind, number
