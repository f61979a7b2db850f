-- The ground that every other file stands on: the schemas, the roles of the machines, who may execute what,
-- and the question "who is calling?".

-- Schemas -------------------------------------------------------------------------------------------------

-- Functions that need their owner's rights, and tables that no client ever sees.
create schema if not exists private;
-- Daily partitions. Never exposed: whoever could reach one would go round the triggers of its parent.
create schema if not exists partitions;
-- Materialized views for dashboards.
create schema if not exists analytics;

-- Roles ---------------------------------------------------------------------------------------------------

-- Roles belong to the cluster, not to the database: a second database of the same cluster finds them there.
do $$
declare
  machine_role text;
begin
  foreach machine_role in array array['signal_worker', 'analyst', 'trading_bridge', 'archivist'] loop
    if not exists (select from pg_catalog.pg_roles where rolname = machine_role) then
      execute format('create role %I nologin noinherit', machine_role);
    end if;
    -- The REST interface becomes a machine through authenticator; postgres becomes one in tests.
    execute format('grant %I to authenticator, postgres', machine_role);
    execute format('alter role %I set statement_timeout = %L', machine_role, '30s');
  end loop;
end;
$$;

-- Grants --------------------------------------------------------------------------------------------------

-- Nothing is reachable unless a migration grants it by name, also in projects that are older than this default.
alter default privileges revoke execute on functions from public;
alter default privileges in schema public revoke all on tables from anon, authenticated, service_role;
alter default privileges in schema public revoke all on sequences from anon, authenticated, service_role;
alter default privileges in schema public revoke all on functions from anon, authenticated, service_role;

revoke all on schema private, partitions, analytics from public;
grant usage on schema public to authenticated, service_role, signal_worker, analyst, trading_bridge, archivist;
grant usage on schema private to authenticated, service_role, signal_worker, analyst, trading_bridge, archivist;

-- Functions -----------------------------------------------------------------------------------------------

-- The role that is calling, also inside a function that runs with its owner's rights: such a function changes
-- current_user, but not the setting that SET ROLE left behind.
create function private.caller_role() returns text
language plpgsql stable parallel safe
set search_path = ''
as $$
begin
  return case current_setting('role') when 'none' then session_user::text else current_setting('role') end;
end;
$$;

-- The machine that the caller's token names ('vyx-63eea370'), null for anyone else.
create function private.caller_machine() returns text
language plpgsql stable parallel safe
set search_path = ''
as $$
begin
  return nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'machine_id';
end;
$$;

-- What the trail calls the caller: a machine by its name, anyone else by the role.
create function private.caller_name() returns text
language plpgsql stable parallel safe
set search_path = ''
as $$
begin
  return coalesce(private.caller_machine(), private.caller_role());
end;
$$;

-- Whether the caller operates the platform: the service key, or a direct connection of the owner.
create function private.is_operator() returns boolean
language plpgsql stable parallel safe
set search_path = ''
as $$
begin
  return private.caller_role() in ('service_role', 'postgres', 'supabase_admin');
end;
$$;

-- A decimal out of JSON text, or null where it is none: never an error, never NaN or infinity.
create function private.decimal(value text) returns numeric
language plpgsql immutable parallel safe
set search_path = ''
as $$
declare
  -- What is no digit. Nearly every number is digits with a point and a sign at most, and the pattern takes five times
  -- as long to say so.
  marks text := translate(value, '0123456789', '');
begin
  return case
    when length(value) between length(marks) + 1 and 30
      and (marks in ('', '.') or (marks in ('-', '-.') and starts_with(value, '-'))) then value::numeric
    when value ~ '^[+-]?(\d{1,30}(\.\d{0,30})?|\.\d{1,30})([eE][+-]?\d{1,2})?$' then value::numeric
  end;
end;
$$;

-- A point in time out of JSON text, or null where it is none.
create function private.moment(value text) returns timestamptz
language plpgsql stable parallel safe
set search_path = ''
as $$
begin
  return case when isfinite(value::timestamptz) then value::timestamptz end;
exception
  when data_exception then
    return null;
end;
$$;

-- A uuid out of JSON text, or null where it is none.
create function private.uuid_of(value text) returns uuid
language plpgsql immutable parallel safe
set search_path = ''
as $$
begin
  -- As the pattern of a uuid says, in a tenth of its time.
  return case when length(value) = 36 and translate(value, '0123456789abcdefABCDEF', '') = '----'
    and substr(value, 9, 1) || substr(value, 14, 1) || substr(value, 19, 1) || substr(value, 24, 1) = '----'
    then value::uuid end;
end;
$$;

-- Whether a machine's JSON is small, stored and written out: a number of few bytes can stand for a hundred thousand
-- digits, and everyone who reads it writes them out. The first two conditions find most without writing.
create function private.json_fits(value jsonb, most integer default 65536) returns boolean
language plpgsql immutable parallel safe
set search_path = ''
as $$
begin
  return value is null or (
    pg_column_size(value) <= most
    and not jsonb_path_exists(value, '$.** ? (@ > 1e40 || @ < -1e40 || (@ > -1e-40 && @ < 1e-40 && @ != 0))')
    and octet_length(value::text) <= 4 * most
  );
end;
$$;

-- Refuses a batch that is not an array, or holds more than one call may do.
create function private.check_batch(batch jsonb, noun text, most integer default 1000) returns void
language plpgsql immutable
set search_path = ''
as $$
begin
  if batch is null or jsonb_typeof(batch) <> 'array' then
    raise exception '% must be a JSON array', noun using errcode = 'invalid_parameter_value';
  end if;
  if jsonb_array_length(batch) > most then
    raise exception '% holds % items, a call takes at most %', noun, jsonb_array_length(batch), most
      using errcode = 'invalid_parameter_value', hint = 'send them in several calls';
  end if;
end;
$$;
