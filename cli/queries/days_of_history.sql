-- Days that hold or held signals: their partitions, and what the archive took.
select day from private.partition_days
union
select partition_day from public.archive_files
