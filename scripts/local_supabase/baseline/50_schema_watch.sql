-- The REST server keeps a cache of the schema; these tell it when a migration changed something.

create function extensions.pgrst_ddl_watch() returns event_trigger
language plpgsql set search_path = '' as $$
begin
  if exists (
    select from pg_catalog.pg_event_trigger_ddl_commands() as command
    where command.command_tag ~ '^(CREATE|ALTER) (SCHEMA|TABLE|TABLE AS|FOREIGN TABLE|VIEW|MATERIALIZED VIEW|FUNCTION|TYPE|RULE|TRIGGER)$'
      or command.command_tag in ('SELECT INTO', 'COMMENT')
  ) and not exists (
    select from pg_catalog.pg_event_trigger_ddl_commands() as command
    where command.schema_name in ('pg_temp', 'auth', 'realtime', 'storage')
  ) then
    notify pgrst, 'reload schema';
  end if;
end
$$;

create function extensions.pgrst_drop_watch() returns event_trigger
language plpgsql set search_path = '' as $$
begin
  if exists (
    select from pg_catalog.pg_event_trigger_dropped_objects() as gone
    where not gone.is_temporary
      and gone.object_type in
        ('schema', 'table', 'foreign table', 'view', 'materialized view', 'function', 'type', 'rule', 'trigger')
      and coalesce(gone.schema_name, '') not in ('auth', 'realtime', 'storage')
  ) then
    notify pgrst, 'reload schema';
  end if;
end
$$;

create event trigger pgrst_ddl_watch on ddl_command_end execute function extensions.pgrst_ddl_watch();
create event trigger pgrst_drop_watch on sql_drop execute function extensions.pgrst_drop_watch();
