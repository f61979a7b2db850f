-- One row for each published table that the binding means. None: there is no such table in the publication.
insert into realtime.subscription (subscription_id, entity, filters, claims, action_filter, selected_columns)
select
  %(id)s::uuid,
  format('%%I.%%I', schemaname, tablename)::regclass,
  array(
    select row(f.column_name, f.op, f.value, f.negate)::realtime.user_defined_filter
    from unnest(
      %(columns)s::text[], %(operators)s::realtime.equality_op[], %(values)s::text[], %(negations)s::boolean[]
    ) as f (column_name, op, value, negate)
  ),
  %(claims)s::jsonb,
  %(event)s,
  %(select)s::text[]
from pg_publication_tables
where pubname = %(publication)s
  and %(schema)s::text in ('*', schemaname)
  and %(table)s::text in ('*', tablename)
