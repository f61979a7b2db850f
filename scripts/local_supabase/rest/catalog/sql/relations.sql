-- The relations of the exposed schemas with their columns and primary keys. Partitions are part of their parent.
-- Parameter: the exposed schemas. Expects an empty search_path, so that type names come with their schema.
select
  c.oid::int8 as oid,
  n.nspname::text as schema,
  c.relname::text as name,
  pg_catalog.obj_description(c.oid, 'pg_class') as comment,
  c.relkind in ('v', 'm') as is_view,
  c.relkind in ('r', 'p') or pg_catalog.pg_relation_is_updatable(c.oid, true) & 8 = 8 as insertable,
  c.relkind in ('r', 'p') or pg_catalog.pg_relation_is_updatable(c.oid, true) & 4 = 4 as updatable,
  c.relkind in ('r', 'p') or pg_catalog.pg_relation_is_updatable(c.oid, true) & 16 = 16 as deletable,
  coalesce((
    select pg_catalog.array_agg(a.attname::text order by k.position)
    from pg_catalog.pg_constraint p
    cross join lateral pg_catalog.unnest(p.conkey) with ordinality as k (attnum, position)
    join pg_catalog.pg_attribute a on a.attrelid = p.conrelid and a.attnum = k.attnum
    where p.conrelid = c.oid and p.contype = 'p'
  ), '{}') as primary_key,
  coalesce((
    select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
      'name', a.attname,
      'type', pg_catalog.format_type(a.atttypid, a.atttypmod),
      'base_type', pg_catalog.format_type(coalesce(nullif(t.typbasetype, 0), a.atttypid), null),
      'max_length', case when a.atttypid in ('varchar'::regtype, 'bpchar'::regtype) and a.atttypmod > 4
                         then a.atttypmod - 4 end,
      'nullable', not (a.attnotnull or t.typnotnull),
      'comment', pg_catalog.col_description(c.oid, a.attnum),
      'enum', (select pg_catalog.array_agg(e.enumlabel::text order by e.enumsortorder)
               from pg_catalog.pg_enum e where e.enumtypid = a.atttypid),
      'default', case
        when t.typbasetype <> 0 and t.typdefaultbin is not null then pg_catalog.pg_get_expr(t.typdefaultbin, 0)
        -- Found by its dependency: asking for it by name would need rights on the schema.
        when a.attidentity = 'd' then (
          select pg_catalog.format('pg_catalog.nextval(%L)', p.objid::regclass)
          from pg_catalog.pg_depend p
          where p.refclassid = 'pg_catalog.pg_class'::regclass and p.refobjid = c.oid and p.refobjsubid = a.attnum
            and p.classid = 'pg_catalog.pg_class'::regclass and p.deptype = 'i'
        )
        when a.attgenerated = '' then pg_catalog.pg_get_expr(d.adbin, d.adrelid)
      end
    ) order by a.attnum)
    from pg_catalog.pg_attribute a
    join pg_catalog.pg_type t on t.oid = a.atttypid
    left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  ), '[]') as columns
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'f')
  and not c.relispartition
  and n.nspname = any ($1)
order by n.nspname, c.relname
