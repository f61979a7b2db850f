-- The one way in: ingest_signals takes a batch, answers for every row, and may be sent again. A plain insert is held
-- to the same rules by a trigger.

-- Tables and types ----------------------------------------------------------------------------------------

-- The answers of the last day, so that a batch sent again gets the same one.
create table private.ingest_requests (
  caller text not null,
  request_id uuid not null,
  row_count integer not null,
  answer jsonb,
  created_at timestamptz not null default now(),
  primary key (caller, request_id)
) with (autovacuum_vacuum_scale_factor = 0.05);
create index ingest_requests_created_at_idx on private.ingest_requests using brin (created_at);
alter table private.ingest_requests enable row level security;

-- A row of a batch as it was sent, and what was found out about it.
create type private.ingest_row as (
  index integer,
  id uuid,
  user_id uuid,
  trader_id uuid,
  machine_id uuid,
  triggered_at timestamptz,
  side public.trade_side,
  price numeric,
  symbol text,
  normalised_symbol text,
  "interval" text,
  matched_conditions jsonb,
  original_signal jsonb,
  tags text[],
  -- 'code: message', null for a row that goes in.
  problem text
);

-- A row of a batch in its own types, not judged yet.
create type private.sent_row as (
  index integer,
  trader_id uuid,
  symbol text,
  normalised_symbol text,
  "interval" text,
  unix_ms bigint,
  side text,
  price numeric,
  machine_id text,
  id uuid,
  matched_conditions jsonb,
  original_signal jsonb,
  tags text[],
  problem text
);

-- Functions: reading a batch ------------------------------------------------------------------------------

-- A row that does not fit its types, read field by field so that the message can name the one that is wrong.
create function private.read_sent_row(item json, index integer) returns private.sent_row
language plpgsql stable
set search_path = ''
as $$
declare
  sent private.sent_row;
  field text := 'the row';
begin
  sent.index := index;
  if json_typeof(item) <> 'object' then
    sent.problem := 'bad_row: a row must be an object, not ' || json_typeof(item);
    return sent;
  end if;
  field := 'trader_id'; sent.trader_id := (item ->> 'trader_id')::uuid;
  field := 'symbol'; sent.symbol := item ->> 'symbol';
  field := 'normalised_symbol'; sent.normalised_symbol := item ->> 'normalised_symbol';
  field := 'interval'; sent."interval" := item ->> 'interval';
  field := 'triggered_at'; sent.unix_ms := case
    when item ->> 'triggered_at' like '%-%-%' then private.unix_ms((item ->> 'triggered_at')::timestamptz)
    else floor((item ->> 'triggered_at')::numeric)::bigint
  end;
  field := 'side'; sent.side := item ->> 'side';
  field := 'price'; sent.price := (item ->> 'price')::numeric;
  field := 'machine_id'; sent.machine_id := item ->> 'machine_id';
  field := 'id'; sent.id := (item ->> 'id')::uuid;
  field := 'matched_conditions'; sent.matched_conditions := item -> 'matched_conditions';
  field := 'original_signal'; sent.original_signal := item -> 'original_signal';
  field := 'tags';
  select r.tags into sent.tags from json_to_record(item) as r (tags text[]);
  return sent;
exception
  -- The second is what an endless time or NaN is to an integer, the third an array in an array in an array.
  when data_exception or feature_not_supported or program_limit_exceeded then
    sent.problem := 'bad_row: ' || field || ': ' || left(sqlerrm, 200);
    return sent;
end;
$$;

-- The batch in its types: all rows at once when they fit, else one by one.
create function private.read_batch(signals json) returns private.sent_row[]
language plpgsql stable
set search_path = ''
as $$
begin
  return (
    select array_agg(row(
      (r.index - 1)::integer, r.trader_id, r.symbol, r.normalised_symbol, r."interval",
      case
        when r.triggered_at like '%-%-%' then floor(extract(epoch from r.triggered_at::timestamptz) * 1000)::bigint
        else floor(r.triggered_at::numeric)::bigint
      end,
      r.side, r.price, r.machine_id, r.id, r.matched_conditions::jsonb, r.original_signal::jsonb, r.tags, null
    )::private.sent_row)
    -- The two columns come as json and are cast: a jsonb column of json_to_recordset takes twice as long.
    from rows from (json_to_recordset(signals) as (
      trader_id uuid, symbol text, normalised_symbol text, "interval" text, triggered_at text, side text,
      price numeric, machine_id text, id uuid, matched_conditions json, original_signal json, tags text[]
    )) with ordinality as r (
      trader_id, symbol, normalised_symbol, "interval", triggered_at, side, price, machine_id, id,
      matched_conditions, original_signal, tags, index
    )
  );
exception
  when data_exception or feature_not_supported or program_limit_exceeded then
    return (
      select array_agg(private.read_sent_row(e.item, (e.index - 1)::integer))
      from json_array_elements(signals) with ordinality e (item, index)
    );
end;
$$;

-- Functions: judging a batch ------------------------------------------------------------------------------

-- What is wrong with each row, from its own fields to its trader, machine and day. owner is the user who may only
-- write for their own traders, token_machine the machine that may only write as itself; both null for an operator.
create function private.judge_batch(sent private.sent_row[], owner uuid, needs_machine boolean, token_machine text)
returns private.ingest_row[]
language plpgsql stable
set search_path = ''
as $$
declare
  machine uuid := (select m.id from public.cloud_machines m where m.machine_id = token_machine);
  horizon timestamptz := now() + interval '60 seconds';
begin
  return (
    select array_agg(row(
      r.index, r.made_id, t.user_id, r.trader_id,
      case when token_machine is not null then machine
        when r.machine_id is not null then (select m.id from public.cloud_machines m where m.machine_id = r.machine_id)
      end,
      r.made_at, r.made_side, r.price, r.symbol,
      coalesce(r.normalised_symbol, private.normalised_symbol(r.symbol, t.market)), r."interval",
      coalesce(r.matched_conditions, '[]'), r.original_signal, r.tags,
      case
        when r.problem is not null then r.problem
        when r.trader_id is null then 'bad_row: trader_id is missing'
        when r.symbol is null then 'bad_row: symbol is missing'
        when length(r.symbol) not between 1 and 40 or strpos(r.symbol, '|') > 0
          then 'bad_row: symbol must have 1 to 40 letters and no |'
        when length(r.normalised_symbol) not between 1 and 60
          then 'bad_row: normalised_symbol must have 1 to 60 letters'
        when r."interval" is null then 'bad_row: interval is missing'
        when r."interval" not in ('1m', '3m', '5m', '15m', '30m', '1h', '4h', '1d')
          then 'bad_row: interval must be 1m, 3m, 5m, 15m, 30m, 1h, 4h or 1d'
        when r.unix_ms is null then 'bad_row: triggered_at is missing'
        when r.side is null then 'bad_row: side is missing'
        when r.made_side is null then 'bad_row: side must be long or short'
        when r.price is null then 'bad_row: price is missing'
        when not (r.price > 0 and r.price < 1e20) then 'bad_row: price must be above zero and finite'
        when scale(r.price) > 30 then 'bad_row: price must have at most 30 decimals'
        when jsonb_typeof(r.matched_conditions) <> 'array' then 'bad_row: matched_conditions must be an array'
        when jsonb_typeof(r.original_signal) <> 'object' then 'bad_row: original_signal must be an object'
        when coalesce(pg_column_size(r.matched_conditions), 0) + coalesce(pg_column_size(r.original_signal), 0) > 65536
          then 'bad_row: matched_conditions and original_signal must fit in 64 KB'
        when cardinality(r.tags) > 20 then 'bad_row: tags must be at most 20'
        when length(array_to_string(r.tags, '')) > 2000 then 'bad_row: tags must have at most 2000 letters together'
        when r.unix_ms < 0 then 'outside_partitions: a signal fires after 1970'
        when r.made_at is null then 'outside_partitions: the year 9999 is the last'
        when r.made_at > horizon
          then 'in_future: ' || r.made_at || ' is more than 60 s ahead of the database''s clock'
        when t.id is null then 'unknown_trader: there is no trader ' || r.trader_id
        when t.user_id <> owner then 'not_your_trader: trader ' || r.trader_id || ' belongs to someone else'
        when t.status <> 'active' then 'trader_inactive: trader ' || r.trader_id || ' is ' || t.status
        when needs_machine and machine is null
          then 'unknown_machine: machine ' || coalesce(token_machine, '(none)') || ' is not registered'
        when r.machine_id <> token_machine
          then 'unknown_machine: the token is of machine ' || token_machine || ', not ' || r.machine_id
        when owner is null and token_machine is null and r.machine_id is not null and not exists (
          select from public.cloud_machines m where m.machine_id = r.machine_id
        ) then 'unknown_machine: machine ' || r.machine_id || ' is not registered'
        when r.id <> r.made_id then 'bad_id: this signal''s id is ' || r.made_id || ', not ' || r.id
        when open.day is null then 'outside_partitions: ' || private.utc_day(r.made_at) || ' is not open'
      end
    )::private.ingest_row)
    from (
      select u.*,
        case when u.unix_ms between 0 and 253402300799999 then
          timestamptz 'epoch' + interval '1 millisecond' * u.unix_ms
        end as made_at,
        case when u.unix_ms between 0 and 253402300799999 then
          private.signal_id(u.trader_id, u.symbol, u."interval", u.unix_ms)
        end as made_id,
        case u.side when 'long' then 'long'::public.trade_side when 'short' then 'short' end as made_side
      from unnest(sent) u
      -- Once a row: without this fence each mention below would make the id again.
      offset 0
    ) r
    left join public.traders t on t.id = r.trader_id
    left join private.partition_days open on open.day = (r.made_at at time zone 'UTC')::date
      and open.compacted_at is null
  );
end;
$$;

-- Takes what limited tiers have left, row by row in the order sent; the rows above it get their problem. Rows that are
-- recorded already cost nothing. Locks the usage of these users until the end of the transaction: an exact quota is
-- one that two machines cannot both use up.
create function private.apply_quotas(judged private.ingest_row[]) returns private.ingest_row[]
language plpgsql
set search_path = ''
as $$
declare
  limited uuid[];
begin
  select array_agg(u.id) into limited
  from public.users u
  join public.tiers t on t.tier = u.tier and t.signals_per_day is not null
  where u.id in (select r.user_id from unnest(judged) r where r.problem is null);
  if limited is null then
    return judged;
  end if;
  perform private.lock_usage(array_agg(r.user_id), array_agg(private.utc_day(r.triggered_at)))
  from unnest(judged) r
  where r.problem is null and r.user_id = any (limited);

  return (
    with fresh as (
      select r.index, r.user_id, private.utc_day(r.triggered_at) as day,
        row_number() over (partition by r.user_id, private.utc_day(r.triggered_at) order by r.index) as place
      from (
        -- The first of each id: a row that stands twice in the batch is a duplicate, not a second signal.
        select distinct on (j.id) j.*
        from unnest(judged) j
        where j.problem is null and j.user_id = any (limited)
        order by j.id, j.index
      ) r
      where not exists (select from public.signals s where s.id = r.id)
    ), excess as (
      select f.index, format('quota_exceeded: %s of %s signals of %s are used', used.signals, t.signals_per_day, f.day)
        as problem
      from fresh f
      join public.users u on u.id = f.user_id
      join public.tiers t on t.tier = u.tier
      cross join lateral (
        select coalesce(sum(d.signals), 0) as signals from public.usage_daily d
        where d.user_id = f.user_id and d.day = f.day
      ) used
      where used.signals + f.place > t.signals_per_day
    )
    select array_agg(row(
      r.index, r.id, r.user_id, r.trader_id, r.machine_id, r.triggered_at, r.side, r.price, r.symbol,
      r.normalised_symbol, r."interval", r.matched_conditions, r.original_signal, r.tags, coalesce(r.problem, e.problem)
    )::private.ingest_row)
    from unnest(judged) r
    left join excess e on e.index = r.index
  );
end;
$$;

-- Functions: the way in -----------------------------------------------------------------------------------

create function private.ingest_signals(signals json, request_id uuid) returns jsonb
language plpgsql security definer
set search_path = ''
set jit = off
as $$
declare
  most constant integer := 10000;
  caller_role text := private.caller_role();
  -- Users write for themselves, machines as themselves, operators for anyone.
  owner uuid := case when caller_role = 'authenticated' then (select auth.uid()) end;
  token_machine text := case when caller_role <> 'authenticated' then private.caller_machine() end;
  caller_key text := concat_ws(':', caller_role, owner, token_machine);
  signal_count integer;
  known record;
  judged private.ingest_row[];
  inserted integer := 0;
  rejected jsonb;
  rejected_count integer;
  result jsonb;
begin
  if caller_role = 'authenticated' and owner is null then
    raise exception 'the token names no user' using errcode = 'insufficient_privilege';
  end if;
  if signals is null or json_typeof(signals) <> 'array' then
    raise exception 'signals must be a JSON array' using errcode = 'invalid_parameter_value';
  end if;
  signal_count := json_array_length(signals);
  if signal_count > most then
    raise exception 'a batch holds at most % signals, this one has %', most, signal_count
      using errcode = 'invalid_parameter_value', hint = 'send it in several calls';
  end if;

  if request_id is not null then
    insert into private.ingest_requests (caller, request_id, row_count)
    values (caller_key, ingest_signals.request_id, signal_count)
    on conflict do nothing;
    if not found then
      select r.row_count, r.answer into known
      from private.ingest_requests r
      where r.caller = caller_key and r.request_id = ingest_signals.request_id;
      if known.row_count <> signal_count then
        raise exception 'request % was a batch of % signals, not of %', request_id, known.row_count, signal_count
          using errcode = 'invalid_parameter_value', hint = 'a new batch needs a new request_id';
      end if;
      return known.answer;
    end if;
  end if;

  perform set_config('sigtrail.held_back', '', true);
  judged := private.apply_quotas(private.judge_batch(
    private.read_batch(signals), owner, caller_role = 'signal_worker', token_machine));

  -- In order of id: machines that send the same signals in any order then wait for each other, never crosswise.
  perform set_config('sigtrail.ingesting', 'on', true);
  insert into public.signals (
    id, user_id, trader_id, machine_id, triggered_at, status_at, source, side, symbol, normalised_symbol, "interval",
    initial_price, current_price, matched_conditions, original_signal, tags
  )
  select r.id, r.user_id, r.trader_id, r.machine_id, r.triggered_at, r.triggered_at,
    case when r.machine_id is null then 'local'::public.signal_source else 'cloud' end,
    r.side, r.symbol, r.normalised_symbol, r."interval", r.price, r.price, r.matched_conditions, r.original_signal,
    r.tags
  from unnest(judged) r
  where r.problem is null
  order by r.id
  on conflict do nothing;
  get diagnostics inserted = row_count;
  perform set_config('sigtrail.ingesting', '', true);

  select count(*), coalesce(jsonb_agg(jsonb_build_object(
    'index', r.index, 'code', split_part(r.problem, ': ', 1),
    'message', substr(r.problem, strpos(r.problem, ': ') + 2)
  ) order by r.index), '[]') into rejected_count, rejected
  from unnest(judged) r
  where r.problem is not null;

  result := jsonb_build_object(
    'inserted', inserted, 'duplicates', signal_count - rejected_count - inserted, 'rejected', rejected,
    'held_back', coalesce(current_setting('sigtrail.held_back', true), '') = 'on');
  if request_id is not null then
    update private.ingest_requests r set answer = result
    where r.caller = caller_key and r.request_id = ingest_signals.request_id;
  end if;
  return result;
end;
$$;

-- Records a batch of at most 10,000 signals: {inserted, duplicates, rejected: [{index, code, message}], held_back}.
-- json, not jsonb: the batch is read once, and keeps the text that was sent.
create function public.ingest_signals(signals json, request_id uuid default null) returns jsonb
language plpgsql
set search_path = ''
as $$
begin
  return private.ingest_signals(signals, request_id);
end;
$$;

-- Triggers: the plain insert ------------------------------------------------------------------------------

-- Holds a plain insert to what ingest_signals does, by the same judgement: the owner and the market come from the
-- trader, the id must be the signal's own, the status is new, and nothing is too large for who works on it next.
create function private.derive_signal() returns trigger
language plpgsql security definer
set search_path = ''
as $$
declare
  caller_role text := private.caller_role();
  judged private.ingest_row;
  quota integer;
begin
  if new.status <> 'new' then
    raise exception 'a signal starts as new, not as %', new.status using errcode = 'check_violation';
  end if;
  new.triggered_at := date_trunc('milliseconds', new.triggered_at);
  select j.* into judged
  from unnest(private.judge_batch(
    array[row(0, new.trader_id, new.symbol, new.normalised_symbol, new."interval", private.unix_ms(new.triggered_at),
      new.side, new.initial_price, null, new.id, new.matched_conditions, new.original_signal, new.tags, null
    )::private.sent_row],
    case when caller_role = 'authenticated' then (select auth.uid()) end, false, null)) j;
  if judged.problem like 'not_your_trader: %' then
    raise exception '%', judged.problem using errcode = 'insufficient_privilege';
  elsif judged.problem is not null then
    raise exception '%', judged.problem using errcode = 'check_violation';
  end if;

  new.user_id := judged.user_id;
  new.normalised_symbol := judged.normalised_symbol;
  new.current_price := coalesce(new.current_price, new.initial_price);
  new.created_at := now();
  new.updated_at := now();
  new.status_at := new.triggered_at;
  if caller_role = 'authenticated' then
    new.source := 'local';
    new.machine_id := null;
  elsif new.machine_id is not null then
    new.source := 'cloud';
    if not exists (select from public.cloud_machines m where m.id = new.machine_id) then
      raise exception 'unknown_machine: machine % is not registered', new.machine_id using errcode = 'check_violation';
    end if;
  end if;

  select t.signals_per_day into quota
  from public.users u join public.tiers t on t.tier = u.tier
  where u.id = new.user_id;
  if quota is not null then
    perform private.lock_usage(array[new.user_id], array[private.utc_day(new.triggered_at)]);
  end if;
  return new;
end;
$$;

create trigger signals_derive before insert on public.signals
  for each row when (coalesce(current_setting('sigtrail.ingesting', true), '') <> 'on')
  execute function private.derive_signal();

-- Grants --------------------------------------------------------------------------------------------------

grant execute on function private.ingest_signals(json, uuid), public.ingest_signals(json, uuid)
  to authenticated, service_role, signal_worker;
