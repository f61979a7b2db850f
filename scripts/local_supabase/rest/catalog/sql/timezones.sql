-- The names that `Prefer: timezone=…` may hold. Reads the time zone files, so it is asked once.
select pg_catalog.array_agg(name) as names from pg_catalog.pg_timezone_names
