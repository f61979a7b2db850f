-- The rewrite rule of every view and its columns by number: the rule tells which column of which table each one is.
select
  v.oid::int8 as oid,
  n.nspname::text as schema,
  v.relname::text as name,
  r.ev_action::text as rule,
  (
    select pg_catalog.jsonb_object_agg(a.attnum, a.attname)
    from pg_catalog.pg_attribute a
    where a.attrelid = v.oid and a.attnum > 0
  ) as columns
from pg_catalog.pg_class v
join pg_catalog.pg_namespace n on n.oid = v.relnamespace
join pg_catalog.pg_rewrite r on r.ev_class = v.oid and r.ev_type = '1'
where v.relkind in ('v', 'm') and n.nspname not in ('pg_catalog', 'information_schema')
