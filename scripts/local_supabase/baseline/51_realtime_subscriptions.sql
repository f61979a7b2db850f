-- postgres_changes, first half: who is subscribed to which rows.

create type realtime.action as enum ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'ERROR');

create type realtime.equality_op as enum (
  'eq', 'neq', 'lt', 'lte', 'gt', 'gte', 'in', 'like', 'ilike', 'is', 'match', 'imatch', 'isdistinct'
);

create type realtime.user_defined_filter as (
  column_name text,
  op realtime.equality_op,
  value text,
  negate boolean
);

create type realtime.wal_column as (
  name text,
  type_name text,
  type_oid oid,
  value jsonb,
  is_pkey boolean,
  is_selectable boolean
);

create type realtime.wal_rls as (
  wal jsonb,
  is_rls_enabled boolean,
  subscription_ids uuid[],
  errors text[]
);

-- Immutable so that a generated column may use it; roles are not renamed under a running server.
create function realtime.to_regrole(role_name text) returns regrole
language sql immutable set search_path = '' as $$
  select quote_ident(role_name)::regrole;
$$;

create table realtime.subscription (
  id bigint generated always as identity constraint pk_subscription primary key,
  subscription_id uuid not null,
  entity regclass not null,
  filters realtime.user_defined_filter[] not null default '{}',
  claims jsonb not null,
  claims_role regrole not null generated always as (realtime.to_regrole(claims ->> 'role')) stored,
  created_at timestamp not null default timezone('utc', now()),
  action_filter text default '*' check (action_filter in ('*', 'INSERT', 'UPDATE', 'DELETE')),
  selected_columns text[]
);

create unique index subscription_subscription_id_entity_filters_action_columns_key
  on realtime.subscription (subscription_id, entity, filters, action_filter, coalesce(selected_columns, '{}'));
create index ix_realtime_subscription_entity on realtime.subscription (entity);

-- A value as PostgreSQL reads it for this type. Bytea stays the bare hex text that wal2json writes.
create function realtime."cast"(val text, type_ regtype) returns jsonb
language plpgsql immutable set search_path = '' as $$
declare
  result jsonb;
begin
  if type_ = 'bytea'::regtype then
    return to_jsonb(val);
  end if;
  execute format('select to_jsonb($1::%s)', type_) into result using val;
  return result;
end
$$;

-- Whether `val_1 op val_2` holds for values of this type; null when SQL says so.
create function realtime.check_equality_op(
  op realtime.equality_op, type_ regtype, val_1 text, val_2 text, negate boolean
) returns boolean
language plpgsql immutable set search_path = '' as $$
declare
  condition constant text := case op
    when 'eq' then format('$1::%1$s = $2::%1$s', type_)
    when 'neq' then format('$1::%1$s <> $2::%1$s', type_)
    when 'lt' then format('$1::%1$s < $2::%1$s', type_)
    when 'lte' then format('$1::%1$s <= $2::%1$s', type_)
    when 'gt' then format('$1::%1$s > $2::%1$s', type_)
    when 'gte' then format('$1::%1$s >= $2::%1$s', type_)
    when 'in' then format('$1::%1$s = any ($2::%1$s[])', type_)
    when 'like' then format('$1::%1$s::text like $2', type_)
    when 'ilike' then format('$1::%1$s::text ilike $2', type_)
    when 'match' then format('$1::%1$s::text ~ $2', type_)
    when 'imatch' then format('$1::%1$s::text ~* $2', type_)
    when 'isdistinct' then format('$1::%1$s is distinct from $2::%1$s', type_)
    -- The trigger below lets only these four keywords through; anything else fails to parse.
    when 'is' then format('$1::%1$s is ', type_)
      || case when lower(val_2) in ('null', 'true', 'false', 'unknown') then val_2 else quote_ident(val_2) end
  end;
  result boolean;
begin
  execute 'select ' || condition into result using val_1, val_2;
  return case when negate then not result else result end;
end
$$;

create function realtime.check_equality_op(
  op realtime.equality_op, type_ regtype, val_1 text, val_2 text
) returns boolean
language sql immutable set search_path = '' as $$
  select realtime.check_equality_op(op, type_, val_1, val_2, false);
$$;

-- A subscription that could never match, or would fail on every row, is refused when it is made.
create function realtime.subscription_check_filters() returns trigger
language plpgsql set search_path = '' as $$
declare
  visible_columns constant text[] := coalesce(
    (
      select array_agg(attname::text)
      from pg_attribute
      where attrelid = new.entity and attnum > 0 and not attisdropped
        and has_column_privilege((new.claims ->> 'role')::name, attrelid, attnum, 'SELECT')
    ),
    '{}'
  );
  filter realtime.user_defined_filter;
  column_type regtype;
  selected text;
  sample jsonb;
begin
  foreach filter in array new.filters loop
    if not filter.column_name = any (visible_columns) then
      raise exception 'invalid column for filter %', filter.column_name;
    end if;
    column_type := (
      select atttypid from pg_attribute where attrelid = new.entity and attname = filter.column_name
    );
    if filter.op is null then
      raise exception 'missing operator for filter %', filter.column_name;
    elsif filter.op = 'in' then
      execute format('select to_jsonb($1::%s[])', column_type) into sample using filter.value;
      if jsonb_array_length(sample) > 100 then
        raise exception 'too many values for `in` filter. Maximum 100';
      end if;
    elsif filter.op = 'is' then
      if lower(filter.value) not in ('null', 'true', 'false', 'unknown') then
        raise exception 'invalid value for `is` filter: %, expected null, true, false or unknown', filter.value;
      end if;
      if lower(filter.value) <> 'null' and column_type <> 'boolean'::regtype then
        raise exception 'filter `is.%` needs a boolean column, % is %', filter.value, filter.column_name, column_type;
      end if;
    elsif filter.op in ('like', 'ilike', 'match', 'imatch') then
      if (select typcategory from pg_type where oid = column_type) <> 'S' then
        raise exception 'filter `%` needs a text column, % is %', filter.op, filter.column_name, column_type;
      end if;
      if filter.op in ('match', 'imatch') then
        -- Raises when the expression does not compile.
        perform '' ~ filter.value;
      end if;
    else
      perform realtime."cast"(filter.value, column_type);
    end if;
  end loop;

  foreach selected in array coalesce(new.selected_columns, '{}') loop
    if not selected = any (visible_columns) then
      raise exception 'invalid column for select %', selected;
    end if;
  end loop;

  -- One order, so that equal subscriptions are equal to the unique index.
  new.filters := coalesce(
    (
      select array_agg(f order by f.column_name, f.op, f.value, f.negate)
      from unnest(new.filters) as f
    ),
    '{}'
  );
  new.selected_columns := (select array_agg(c order by c) from unnest(new.selected_columns) as c);
  return new;
end
$$;

create trigger tr_check_filters before insert or update on realtime.subscription
  for each row execute function realtime.subscription_check_filters();
