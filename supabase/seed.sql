-- Rows for development, by `supabase db push --include-seed`: the last days are open, for signals of the recent past.
select count(*) filter (where opened) as opened_days
from private.open_partitions(current_date - 7, current_date);
