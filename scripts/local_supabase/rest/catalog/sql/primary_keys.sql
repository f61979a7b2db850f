-- Every primary key by the numbers of its columns, to find the primary keys of views.
select p.conrelid::int8 as table_oid, p.conkey::int[] as numbers
from pg_catalog.pg_constraint p
join pg_catalog.pg_namespace n on n.oid = p.connamespace
where p.contype = 'p' and n.nspname not in ('pg_catalog', 'information_schema')
