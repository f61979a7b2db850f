-- What the current role may use of one schema (parameter), in the shape of every statement's one row.
select
  null::int8 as total,
  1::int8 as rows,
  pg_catalog.json_build_object(
    'comment', pg_catalog.obj_description(n.oid, 'pg_namespace'),
    'relations', coalesce((
      select pg_catalog.json_agg(c.relname)
      from pg_catalog.pg_class c
      where c.relnamespace = n.oid and c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition
        and (
          pg_catalog.pg_has_role(c.relowner, 'usage')
          or pg_catalog.has_table_privilege(c.oid, 'select, insert, update, delete, truncate, references, trigger')
          or pg_catalog.has_any_column_privilege(c.oid, 'select, insert, update, references')
        )
    ), '[]'),
    'functions', coalesce((
      select pg_catalog.json_agg(p.oid::int8)
      from pg_catalog.pg_proc p
      where p.pronamespace = n.oid and pg_catalog.has_function_privilege(p.oid, 'execute')
    ), '[]')
  )::text as body,
  nullif(pg_catalog.current_setting('response.headers', true), '') as response_headers,
  nullif(pg_catalog.current_setting('response.status', true), '') as response_status,
  '' as location,
  '' as inserted
from (select $1::text as name) wanted
left join pg_catalog.pg_namespace n on n.nspname = wanted.name
