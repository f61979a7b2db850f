-- Every foreign key, also those of schemas that are not exposed: views may show their tables.
-- one_to_one: the referencing columns are the whole of a primary or unique key.
select
  f.conname::text as name,
  f.conrelid::int8 as table_oid,
  tn.nspname::text as table_schema,
  t.relname::text as table_name,
  f.confrelid::int8 as foreign_oid,
  rn.nspname::text as foreign_schema,
  r.relname::text as foreign_name,
  f.conkey::int[] as table_numbers,
  f.confkey::int[] as foreign_numbers,
  (
    select pg_catalog.array_agg(a.attname::text order by k.position)
    from pg_catalog.unnest(f.conkey) with ordinality as k (attnum, position)
    join pg_catalog.pg_attribute a on a.attrelid = f.conrelid and a.attnum = k.attnum
  ) as table_columns,
  (
    select pg_catalog.array_agg(a.attname::text order by k.position)
    from pg_catalog.unnest(f.confkey) with ordinality as k (attnum, position)
    join pg_catalog.pg_attribute a on a.attrelid = f.confrelid and a.attnum = k.attnum
  ) as foreign_columns,
  exists (
    select from pg_catalog.pg_constraint u
    where u.conrelid = f.conrelid and u.contype in ('p', 'u')
      and u.conkey @> f.conkey and u.conkey <@ f.conkey
  ) as one_to_one
from pg_catalog.pg_constraint f
join pg_catalog.pg_class t on t.oid = f.conrelid
join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace
join pg_catalog.pg_class r on r.oid = f.confrelid
join pg_catalog.pg_namespace rn on rn.oid = r.relnamespace
where f.contype = 'f' and f.conparentid = 0 and not t.relispartition
order by tn.nspname, t.relname, f.conname
