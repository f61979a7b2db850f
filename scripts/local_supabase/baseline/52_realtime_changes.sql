-- postgres_changes, second half: what each subscriber may see of the changes in the write-ahead log.

-- wal2json takes the tables in one text, in which these characters are escaped by a backslash.
create function realtime.wal2json_escape_identifier(name text) returns text
language sql immutable strict set search_path = '' as $$
  select regexp_replace(name, '([\\ ,.''*])', '\\\1', 'g');
$$;

create function realtime.quote_wal2json(entity regclass) returns text
language sql stable strict set search_path = '' as $$
  select realtime.wal2json_escape_identifier(nspname) || '.' || realtime.wal2json_escape_identifier(relname)
  from pg_class
  join pg_namespace on pg_namespace.oid = relnamespace
  where pg_class.oid = entity;
$$;

-- A statement that asks whether the row with this key is visible; it runs once a subscriber.
create function realtime.build_prepared_statement_sql(
  prepared_statement_name text, entity regclass, columns realtime.wal_column[]
) returns text
language sql stable set search_path = '' as $$
  select format(
    'prepare %I as select exists (select from %s where %s)',
    prepared_statement_name,
    entity,
    string_agg(format('%I = %L::%s', name, value #>> '{}', type_oid::regtype), ' and ')
  )
  from unnest(columns)
  where is_pkey;
$$;

-- Every filter must hold. What the log does not know (most columns, for a delete) does not match.
create function realtime.is_visible_through_filters(
  columns realtime.wal_column[], filters realtime.user_defined_filter[]
) returns boolean
language sql immutable set search_path = '' as $$
  select coalesce(
    bool_and(
      known.name is not null
      and coalesce(
        realtime.check_equality_op(
          filter.op, known.type_oid::regtype, known.value #>> '{}', filter.value, coalesce(filter.negate, false)
        ),
        false
      )
    ),
    true
  )
  from unnest(filters) as filter
  left join unnest(columns) as known on known.name = filter.column_name;
$$;

-- One change as wal2json tells it (format 2) into one answer for each kind of subscriber that may see it: the same
-- role with the same selection of columns reads the same thing. Takes on the subscribers' roles one after another,
-- so only a superuser can call it usefully.
create function realtime.apply_rls(wal jsonb, max_record_bytes integer default 1024 * 1024)
returns setof realtime.wal_rls
language plpgsql set search_path = '' as $$
#variable_conflict use_variable
declare
  -- Null when the table was dropped since.
  entity constant regclass := to_regclass(format('%I.%I', wal ->> 'schema', wal ->> 'table'));
  action constant text :=
    case wal ->> 'action' when 'I' then 'INSERT' when 'U' then 'UPDATE' when 'D' then 'DELETE' end;
  key constant text[] := array(select part ->> 'name' from jsonb_array_elements(wal -> 'pk') as part);
  is_rls_enabled constant boolean := (select relrowsecurity from pg_class where oid = entity);
  is_too_large constant boolean := octet_length(wal::text) > max_record_bytes;
  caller constant text := current_setting('role');

  new_columns realtime.wal_column[];
  old_columns realtime.wal_column[];
  audience record;
  subscriber record;
  readable text[];
  visible uuid[];
  is_visible boolean;
  change jsonb;
begin
  if entity is null or action is null or not exists (
    select from realtime.subscription as s where s.entity = entity and s.action_filter in ('*', action)
  ) then
    return;
  end if;

  select
    coalesce(array_agg(seen.col order by seen.attnum) filter (where seen.part = 'new'), '{}'),
    coalesce(array_agg(seen.col order by seen.attnum) filter (where seen.part = 'old'), '{}')
  into new_columns, old_columns
  from (
    select
      part,
      attnum,
      row(
        attname, typname, atttypid, realtime."cast"(c ->> 'value', atttypid::regtype), attname = any (key), true
      )::realtime.wal_column as col
    from (
      select 'new' as part, c from jsonb_array_elements(wal -> 'columns') as c
      union all
      select 'old', c from jsonb_array_elements(wal -> 'identity') as c
      union all
      -- A large value that an update did not touch is not among its columns, but may be in the old identity.
      select 'new', c from jsonb_array_elements(wal -> 'identity') as c
      where action = 'UPDATE' and not wal -> 'columns' @> jsonb_build_array(jsonb_build_object('name', c -> 'name'))
    ) as logged
    join pg_attribute on attrelid = entity and attname = c ->> 'name' and attnum > 0 and not attisdropped
    join pg_type on pg_type.oid = atttypid
  ) as seen;

  for audience in
    select s.claims_role, s.selected_columns, array_agg(s.subscription_id) as subscription_ids
    from realtime.subscription as s
    where s.entity = entity and s.action_filter in ('*', action)
    group by s.claims_role, s.selected_columns
  loop
    change := jsonb_build_object('schema', wal -> 'schema', 'table', wal -> 'table', 'type', action);
    readable := array(
      select attname
      from pg_attribute
      where attrelid = entity and attnum > 0 and not attisdropped
        and has_column_privilege(audience.claims_role, attrelid, attnum, 'SELECT')
        and (audience.selected_columns is null or attname = any (audience.selected_columns || key))
    );

    if key = '{}' and action <> 'DELETE' then
      return next (
        change, is_rls_enabled, audience.subscription_ids, array['Error 400: Bad Request, no primary key']
      )::realtime.wal_rls;
      continue;
    elsif not key <@ readable then
      return next (
        change, is_rls_enabled, audience.subscription_ids, array['Error 401: Unauthorized']
      )::realtime.wal_rls;
      continue;
    end if;

    visible := array(
      select s.subscription_id
      from realtime.subscription as s
      where s.entity = entity
        and s.subscription_id = any (audience.subscription_ids)
        and s.action_filter in ('*', action)
        and realtime.is_visible_through_filters(
          case when action = 'DELETE' then old_columns else new_columns end, s.filters
        )
    );

    -- The row as it is now decides. A deleted row can no longer be asked about.
    if is_rls_enabled and action <> 'DELETE' and visible <> '{}' then
      if exists (select from pg_prepared_statements where name = 'walrus_rls_stmt') then
        deallocate walrus_rls_stmt;
      end if;
      execute realtime.build_prepared_statement_sql('walrus_rls_stmt', entity, new_columns);
      for subscriber in
        select s.subscription_id, s.claims, pg_roles.rolname
        from realtime.subscription as s
        join pg_roles on pg_roles.oid = s.claims_role
        where s.entity = entity and s.subscription_id = any (visible)
      loop
        perform
          set_config('request.jwt.claims', subscriber.claims::text, true),
          -- Policies may call functions that find their tables by the path of an ordinary request.
          set_config('search_path', '"$user", public, extensions', true),
          set_config('role', subscriber.rolname, true);
        begin
          execute 'execute walrus_rls_stmt' into is_visible;
        exception when others then
          -- One subscriber's failing policy must not cost the others their changes.
          is_visible := false;
        end;
        perform set_config('role', caller, true), set_config('search_path', '', true);
        if not is_visible then
          visible := array_remove(visible, subscriber.subscription_id);
        end if;
      end loop;
      deallocate walrus_rls_stmt;
    end if;
    continue when visible = '{}';

    change := change || jsonb_build_object(
      'commit_timestamp',
      to_char((wal ->> 'timestamp')::timestamptz at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
      'columns',
      (
        select coalesce(jsonb_agg(jsonb_build_object('name', attname, 'type', typname) order by attnum), '[]')
        from pg_attribute
        join pg_type on pg_type.oid = atttypid
        where attrelid = entity and attnum > 0 and attname = any (readable)
      )
    );
    if action <> 'DELETE' then
      change := change || jsonb_build_object(
        'record',
        (
          select coalesce(jsonb_object_agg(name, value), '{}')
          from unnest(new_columns)
          where name = any (readable) and not (is_too_large and octet_length(value::text) > 64)
        )
      );
    end if;
    if action <> 'INSERT' then
      change := change || jsonb_build_object(
        'old_record',
        (
          select coalesce(jsonb_object_agg(name, value), '{}')
          from unnest(old_columns)
          where name = any (readable) and not (is_too_large and octet_length(value::text) > 64)
            -- Nobody was asked whether the deleted row could be seen, so only its key is told.
            and (is_pkey or not (is_rls_enabled and action = 'DELETE'))
        )
      );
    end if;
    return next (
      change,
      is_rls_enabled,
      visible,
      case when is_too_large then array['Error 413: Payload Too Large'] else '{}' end
    )::realtime.wal_rls;
  end loop;
end
$$;

-- The next changes of the slot that somebody may see, in their order. slot_changes_count counts all that were read:
-- the caller asks again at once while it is not zero, also when nobody could see any (then one row of nulls).
create function realtime.list_changes(
  publication name, slot_name name, max_changes integer, max_record_bytes integer
) returns table (
  wal jsonb, is_rls_enabled boolean, subscription_ids uuid[], errors text[], slot_changes_count bigint
)
language plpgsql
set search_path = ''
set timezone = 'UTC'
-- Policies that fail for one subscriber would fill the log with one line a row.
set log_min_messages = 'fatal'
as $$
#variable_conflict use_column
declare
  tables constant text := (
    select string_agg(realtime.quote_wal2json(format('%I.%I', schemaname, tablename)::regclass), ',')
    from pg_publication_tables
    where pubname = publication
  );
  actions constant text := (
    select concat_ws(
      ',', case when pubinsert then 'insert' end, case when pubupdate then 'update' end, case when pubdelete then 'delete' end
    )
    from pg_publication
    where pubname = publication
  );
  changes jsonb[];
  sent bigint := 0;
begin
  -- wal2json takes an empty list for "all tables".
  if tables is null or actions = '' then
    return;
  end if;
  changes := array(
    select data::jsonb
    from pg_logical_slot_get_changes(
      slot_name, null, max_changes,
      'include-pk', 'true',
      'include-transaction', 'false',
      'include-timestamp', 'true',
      'include-type-oids', 'true',
      'format-version', '2',
      'actions', actions,
      'add-tables', tables
    ) with ordinality as slot (lsn, xid, data, position)
    order by position
  );
  return query
    select answer.wal, answer.is_rls_enabled, answer.subscription_ids, answer.errors, cardinality(changes)::bigint
    from unnest(changes) with ordinality as logged (change, position)
    cross join lateral realtime.apply_rls(change, max_record_bytes) as answer
    order by position;
  get diagnostics sent = row_count;
  if sent = 0 and cardinality(changes) > 0 then
    return query select null::jsonb, null::boolean, null::uuid[], null::text[], cardinality(changes)::bigint;
  end if;
end
$$;
