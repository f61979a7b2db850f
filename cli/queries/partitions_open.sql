select day, opened from private.open_partitions(%(first)s, %(last)s) order by day
