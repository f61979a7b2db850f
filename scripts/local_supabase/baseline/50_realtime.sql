-- Broadcast: the table whose new rows are sent to subscribers, and the functions that write it.
-- The server (scripts/local_supabase/realtime) reads it by logical replication.

create table realtime.messages (
  topic text not null,
  extension text not null,
  payload jsonb,
  event text,
  private boolean default false,
  -- UTC without a zone, whatever zone the session is in: the partitions' bounds are UTC days.
  updated_at timestamp not null default timezone('utc', now()),
  inserted_at timestamp not null default timezone('utc', now()),
  id uuid not null default gen_random_uuid(),
  binary_payload bytea,
  constraint messages_pkey primary key (id, inserted_at)
) partition by range (inserted_at);

alter table realtime.messages
  add constraint messages_payload_exclusive check (payload is null or binary_payload is null) not valid;

-- Replay: the newest private broadcasts of a topic.
create index messages_inserted_at_topic_index on realtime.messages (inserted_at desc, topic)
  where extension = 'broadcast' and private is true;

-- Policies on this table decide who may use a private channel: no policy, no access.
alter table realtime.messages enable row level security;

-- The first days, so that a database without the server can be sent from. The server makes the later ones.
do $$
declare
  day date;
  partition text;
begin
  for day in select generate_series(timezone('utc', now())::date - 1, timezone('utc', now())::date + 3, '1 day')
  loop
    partition := 'messages_' || to_char(day, 'YYYY_MM_DD');
    execute format(
      'create table realtime.%I partition of realtime.messages for values from (%L) to (%L)', partition, day, day + 1
    );
    execute format('alter table realtime.%I owner to supabase_realtime_admin', partition);
  end loop;
end $$;

-- The channel that the current statement is about: policies compare it with what the user may see.
create function realtime.topic() returns text
language sql stable set search_path = '' as $$
  select nullif(current_setting('realtime.topic', true), '');
$$;

-- A sender's own work must not fail because nobody could be told: errors become warnings.
create function realtime.send(payload jsonb, event text, topic text, private boolean default true) returns void
language plpgsql set search_path = '' as $$
declare
  message_id constant uuid := gen_random_uuid();
begin
  perform set_config('realtime.topic', topic, true);
  insert into realtime.messages (id, payload, event, topic, private, extension)
  values (
    message_id,
    case when payload ? 'id' then payload else jsonb_set(payload, '{id}', to_jsonb(message_id)) end,
    event, topic, private, 'broadcast'
  );
exception when others then
  raise warning 'WarnSendingBroadcastMessage: %', sqlerrm;
end
$$;

create function realtime.send_binary(payload bytea, event text, topic text, private boolean default true)
returns void
language plpgsql set search_path = '' as $$
begin
  perform set_config('realtime.topic', topic, true);
  insert into realtime.messages (binary_payload, event, topic, private, extension)
  values (payload, event, topic, private, 'broadcast');
exception when others then
  raise warning 'WarnSendingBroadcastMessage: %', sqlerrm;
end
$$;

-- For triggers: one row's change, as postgres_changes would describe it, to a private channel.
create function realtime.broadcast_changes(
  topic_name text, event_name text, operation text, table_name text, table_schema text,
  new record, old record, level text default 'ROW'
) returns void
language plpgsql set search_path = '' as $$
declare
  change jsonb := jsonb_build_object('schema', table_schema, 'table', table_name, 'operation', operation);
begin
  if level = 'STATEMENT' then
    raise exception 'broadcast_changes works on single rows: call it from a trigger FOR EACH ROW';
  end if;
  case operation
    when 'INSERT' then
      change := change || jsonb_build_object('record', to_jsonb(new), 'old_record', null);
    when 'UPDATE' then
      change := change || jsonb_build_object('record', to_jsonb(new), 'old_record', to_jsonb(old));
    when 'DELETE' then
      change := change || jsonb_build_object('record', null, 'old_record', to_jsonb(old));
    else
      raise exception 'unknown operation %: expected INSERT, UPDATE or DELETE', operation;
  end case;
  perform realtime.send(change, event_name, topic_name);
exception when others then
  raise exception 'Failed to process the row: %', sqlerrm;
end
$$;
