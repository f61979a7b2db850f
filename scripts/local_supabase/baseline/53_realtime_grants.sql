-- Who owns and may use what of realtime, as a hosted project has it.

grant usage on schema realtime to anon, authenticated, service_role, dashboard_user;
grant usage on schema realtime to postgres with grant option;
grant all on schema realtime to supabase_realtime_admin with grant option;

grant select, insert, update on realtime.messages to anon, authenticated, service_role;
grant all on realtime.messages to postgres, dashboard_user;
grant select on realtime.subscription to anon, authenticated, service_role;
grant all on realtime.subscription to postgres, dashboard_user;
grant all on all sequences in schema realtime to postgres, dashboard_user;

grant execute on all functions in schema realtime to postgres, dashboard_user;
grant execute on function
  realtime.apply_rls(jsonb, integer),
  realtime.build_prepared_statement_sql(text, regclass, realtime.wal_column[]),
  realtime."cast"(text, regtype),
  realtime.check_equality_op(realtime.equality_op, regtype, text, text),
  realtime.check_equality_op(realtime.equality_op, regtype, text, text, boolean),
  realtime.is_visible_through_filters(realtime.wal_column[], realtime.user_defined_filter[]),
  realtime.quote_wal2json(regclass),
  realtime.subscription_check_filters(),
  realtime.to_regrole(text)
to anon, authenticated, service_role;

-- postgres is a member of the owner: that is what lets a migration write policies on realtime.messages.
do $$
declare
  object text;
begin
  for object in
    select 'table ' || oid::regclass from pg_class
    where relnamespace = 'realtime'::regnamespace and relkind in ('r', 'p')
    union all
    select 'function ' || oid::regprocedure from pg_proc where pronamespace = 'realtime'::regnamespace
    union all
    select 'type ' || pg_type.oid::regtype from pg_type
    left join pg_class on pg_class.oid = typrelid
    where typnamespace = 'realtime'::regnamespace and (typtype = 'e' or pg_class.relkind = 'c')
  loop
    execute format('alter %s owner to supabase_realtime_admin', object);
  end loop;
end $$;

alter default privileges for role supabase_admin in schema realtime
  grant all on tables to postgres, dashboard_user;
