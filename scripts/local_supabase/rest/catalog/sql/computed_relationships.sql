-- Functions from a row of one relation to rows of another: relationships that somebody wrote down as SQL.
select
  fn.nspname::text as function_schema,
  p.proname::text as function_name,
  an.nspname::text as table_schema,
  ac.relname::text as table_name,
  rn.nspname::text as foreign_schema,
  rc.relname::text as foreign_name,
  not p.proretset or p.prorows = 1 as to_one
from pg_catalog.pg_proc p
join pg_catalog.pg_namespace fn on fn.oid = p.pronamespace
join pg_catalog.pg_class ac on ac.reltype = p.proargtypes[0] and ac.relkind in ('r', 'p', 'v', 'm', 'f')
join pg_catalog.pg_namespace an on an.oid = ac.relnamespace
join pg_catalog.pg_class rc on rc.reltype = p.prorettype and rc.relkind in ('r', 'p', 'v', 'm', 'f')
join pg_catalog.pg_namespace rn on rn.oid = rc.relnamespace
where p.pronargs = 1 and p.prokind = 'f'
