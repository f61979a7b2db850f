-- The functions of the exposed schemas that can be called by name: all arguments named, or a single one unnamed of a
-- type that a whole body can be. Parameter: the exposed schemas. Expects an empty search_path.
with recursive base_types as (
  select oid, oid as base from pg_catalog.pg_type where typbasetype = 0
  union all
  select t.oid, b.base from pg_catalog.pg_type t join base_types b on b.oid = t.typbasetype
)
select
  p.oid::int8 as oid,
  n.nspname::text as schema,
  p.proname::text as name,
  pg_catalog.obj_description(p.oid, 'pg_proc') as comment,
  p.provolatile::text as volatility,
  p.proretset as returns_set,
  rn.nspname::text as type_schema,
  coalesce(rc.relname, rt.typname)::text as type_name,
  rt.typtype = 'c' or coalesce(p.proargmodes::text[] && '{t,b,o}', false) as returns_composite,
  arguments.list as arguments,
  coalesce((
    select pg_catalog.jsonb_object_agg(pg_catalog.split_part(s, '=', 1), pg_catalog.substr(s, pg_catalog.strpos(s, '=') + 1))
    from pg_catalog.unnest(p.proconfig) s
  ), '{}') as settings
from pg_catalog.pg_proc p
join pg_catalog.pg_namespace n on n.oid = p.pronamespace
join base_types b on b.oid = p.prorettype
join pg_catalog.pg_type rt on rt.oid = b.base
join pg_catalog.pg_namespace rn on rn.oid = rt.typnamespace
left join pg_catalog.pg_class rc on rc.oid = rt.typrelid
cross join lateral (
  select
    coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
      'name', coalesce(a.name, ''),
      'type', pg_catalog.format_type(a.type, null),
      -- Types that would cut their value off at length 1 are taken at any length.
      'record_type', case a.type
        when 'bit'::regtype then 'bit varying'
        when 'bit[]'::regtype then 'bit varying[]'
        when 'bpchar'::regtype then 'character varying'
        when 'bpchar[]'::regtype then 'character varying[]'
        else pg_catalog.format_type(a.type, null)
      end,
      'required', a.position <= p.pronargs - p.pronargdefaults,
      'variadic', a.mode = 'v'
    ) order by a.position), '[]') as list,
    pg_catalog.count(*) filter (where coalesce(a.name, '') = '') as unnamed,
    pg_catalog.min(pg_catalog.format_type(a.type, null)) filter (where coalesce(a.name, '') = '') as unnamed_type
  from (
    select i.*, pg_catalog.row_number() over (order by i.number) as position
    from rows from (
      pg_catalog.unnest(coalesce(p.proallargtypes, p.proargtypes::oid[])),
      pg_catalog.unnest(p.proargmodes::text[]),
      pg_catalog.unnest(p.proargnames)
    ) with ordinality as i (type, mode, name, number)
    where i.type is not null and coalesce(i.mode, 'i') in ('i', 'b', 'v')
  ) a
) arguments
where n.nspname = any ($1)
  and p.prokind = 'f'
  and rt.typname not in ('trigger', 'event_trigger')
  and (
    arguments.unnamed = 0
    or arguments.unnamed = 1 and arguments.unnamed_type in ('bytea', 'json', 'jsonb', 'text', 'xml')
  )
order by n.nspname, p.proname, p.pronargs, arguments.list::text
