-- The one way in: ingest_signals takes a batch, answers for every row, and may be sent again. A plain insert is held
-- to the same rules by a trigger.

-- Tables --------------------------------------------------------------------------------------------------

-- The answers of the last day, so that a batch sent again gets the same one, and another batch under the same id none.
create table private.ingest_requests (
  caller text not null,
  request_id uuid not null,
  batch_hash bigint not null,
  -- There when the batch is recorded, at the end of the same transaction.
  answer jsonb,
  created_at timestamptz not null default now(),
  primary key (caller, request_id)
) with (autovacuum_vacuum_scale_factor = 0.05);
create index ingest_requests_created_at_idx on private.ingest_requests using brin (created_at);
alter table private.ingest_requests enable row level security;

-- Functions: reading a batch ------------------------------------------------------------------------------

-- Why a row does not fit the types of its fields, with the name of the one that does not; null when all fit.
create function private.misfit(item json) returns text
language plpgsql stable
set search_path = ''
as $$
declare
  field text := 'the row';
begin
  if json_typeof(item) <> 'object' then
    return 'bad_row: a row must be an object, not ' || json_typeof(item);
  end if;
  field := 'trader_id'; perform (item ->> 'trader_id')::uuid;
  field := 'symbol'; perform item ->> 'symbol';
  field := 'normalised_symbol'; perform item ->> 'normalised_symbol';
  field := 'interval'; perform item ->> 'interval';
  field := 'triggered_at'; perform case
    when item ->> 'triggered_at' like '%-%-%'
      then floor(extract(epoch from (item ->> 'triggered_at')::timestamptz) * 1000)::bigint
    else floor((item ->> 'triggered_at')::numeric)::bigint
  end;
  field := 'side'; perform item ->> 'side';
  field := 'price'; perform (item ->> 'price')::numeric;
  field := 'machine_id'; perform item ->> 'machine_id';
  field := 'id'; perform (item ->> 'id')::uuid;
  field := 'matched_conditions'; perform (item -> 'matched_conditions')::jsonb;
  field := 'original_signal'; perform (item -> 'original_signal')::jsonb;
  field := 'tags'; perform r.tags from json_to_record(item) as r (tags text[]);
  return null;
exception
  -- The second is what an endless time or NaN is to an integer, the third an array in an array in an array.
  when data_exception or feature_not_supported or program_limit_exceeded then
    return 'bad_row: ' || field || ': ' || left(sqlerrm, 200);
end;
$$;

-- Functions: judging a batch ------------------------------------------------------------------------------

-- What is too much of what a signal says; null when it fits. A number of few bytes can stand for a hundred thousand
-- digits, and everyone who reads it writes them out: seals, pages, the archive. The numbers are looked at first, because
-- that finds most of them without writing.
create function private.oversized(matched_conditions jsonb, original_signal jsonb) returns text
language plpgsql immutable
set search_path = ''
as $$
begin
  return case
    when coalesce(pg_column_size(matched_conditions), 0) + coalesce(pg_column_size(original_signal), 0) > 65536
      then 'matched_conditions and original_signal must fit in 64 KB'
    when jsonb_path_exists(matched_conditions, '$.** ? (@ > 1e40 || @ < -1e40)')
      or jsonb_path_exists(original_signal, '$.** ? (@ > 1e40 || @ < -1e40)')
      then 'numbers in matched_conditions and original_signal must lie between -1e40 and 1e40'
    when coalesce(octet_length(matched_conditions::text), 0) + coalesce(octet_length(original_signal::text), 0) > 262144
      then 'matched_conditions and original_signal must fit in 256 KB when written out'
  end;
end;
$$;

-- What is wrong with each row, from its own fields to its trader, machine and day; problem is 'code: message', null for
-- a row that goes in. misfits says what is known to be wrong with the rows in their order, or is null. owner is the user
-- who may only write for their own traders, token_machine the machine that may only write as itself; both null for an
-- operator. Raises what a field that does not fit its type raises.
create function private.judge_signals(
  signals json, misfits text[], owner uuid, needs_machine boolean, token_machine text
) returns table (
  index integer, id uuid, user_id uuid, trader_id uuid, machine_id uuid, triggered_at timestamptz,
  side public.trade_side, price numeric, symbol text, normalised_symbol text, "interval" text,
  matched_conditions jsonb, original_signal jsonb, tags text[], problem text
)
language plpgsql stable
set search_path = ''
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $$
declare
  machine uuid := (select m.id from public.cloud_machines m where m.machine_id = token_machine);
  horizon timestamptz := now() + interval '60 seconds';
begin
  return query
  select
    r.index, r.made_id, t.user_id, r.trader_id,
    case when token_machine is not null then machine
      when r.machine_id is not null then (select m.id from public.cloud_machines m where m.machine_id = r.machine_id)
    end,
    r.made_at, r.made_side, r.price, r.symbol,
    coalesce(r.normalised_symbol, private.normalised_symbol(r.symbol, t.market)), r."interval",
    coalesce(r.matched_conditions, '[]'), r.original_signal, r.tags,
    case
      when misfits[r.index + 1] is not null then misfits[r.index + 1]
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
      -- Machines make their numbers of candles, and looking at each would take a thirtieth of the way in.
      when (
        owner is not null
        or coalesce(pg_column_size(r.matched_conditions), 0) + coalesce(pg_column_size(r.original_signal), 0) > 65536
      ) and private.oversized(r.matched_conditions, r.original_signal) is not null
        then 'bad_row: ' || private.oversized(r.matched_conditions, r.original_signal)
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
      when open.day is null then 'outside_partitions: ' || r.made_day || ' is not open'
      when open.compacted_at is not null
        then 'outside_partitions: ' || r.made_day || ' is archived and takes no more signals'
    end
  from (
    select h.*,
      case when h.unix_ms between 0 and 253402300799999 then
        timestamptz 'epoch' + interval '1 millisecond' * h.unix_ms
      end as made_at,
      case when h.unix_ms between 0 and 253402300799999 then
        date '1970-01-01' + (h.unix_ms / 86400000)::integer
      end as made_day,
      -- The same bits as private.signal_id gives, without a call a row.
      case when h.unix_ms between 0 and 253402300799999 then
        encode(
          int8send((h.unix_ms << 16) | 32768 | (get_byte(h.hash, 0) << 4) | (get_byte(h.hash, 1) >> 4))
          || int8send(
            (-9223372036854775808)::bigint
            | ((('x' || encode(substr(h.hash, 2, 8), 'hex'))::bit(64)::bigint << 2) & 4611686018427387903)
            | (get_byte(h.hash, 9) >> 6)
          ),
          'hex'
        )::uuid
      end as made_id
    from (
      select s.*, (s.place - 1)::integer as index,
        case
          when s.triggered_at like '%-%-%' then floor(extract(epoch from s.triggered_at::timestamptz) * 1000)::bigint
          else floor(s.triggered_at::numeric)::bigint
        end as unix_ms,
        sha256(convert_to(s.trader_id::text || '|' || s.symbol || '|' || s."interval", 'UTF8')) as hash,
        case s.side when 'long' then 'long'::public.trade_side when 'short' then 'short' end as made_side
      from rows from (json_to_recordset(signals) as (
        trader_id uuid, symbol text, normalised_symbol text, "interval" text, triggered_at text, side text,
        price numeric, machine_id text, id uuid, matched_conditions jsonb, original_signal jsonb, tags text[]
      )) with ordinality as s (
        trader_id, symbol, normalised_symbol, "interval", triggered_at, side, price, machine_id, id,
        matched_conditions, original_signal, tags, place
      )
      -- Once a row: without these fences each mention of the time, the hash and the id would make them again.
      offset 0
    ) h
    offset 0
  ) r
  -- Fenced too: joined otherwise, a batch of one signal would read all traders that there are.
  left join lateral (
    select o.id, o.user_id, o.market, o.status from public.traders o where o.id = r.trader_id offset 0
  ) t on true
  left join private.partition_days open on open.day = r.made_day;
end;
$$;

-- Functions: quotas ---------------------------------------------------------------------------------------

-- Which of these rows of limited tiers are over what is left, in the order of their places. Rows that are recorded
-- already cost nothing. Locks the usage of these users until the end of the transaction: an exact quota is one that two
-- machines cannot both use up.
create function private.excess_signals(places integer[], ids uuid[], owners uuid[], times timestamptz[])
returns table (index integer, problem text)
language plpgsql
set search_path = ''
set plan_cache_mode = force_generic_plan
as $$
declare
  days date[];
begin
  if places is null then
    return;
  end if;
  days := array(select (t.at at time zone 'UTC')::date from unnest(times) with ordinality t (at, place) order by t.place);
  perform private.lock_usage(owners, days);

  return query
  with batch as (
    select b.* from unnest(places, ids, owners, days) b (index, id, user_id, day)
  ), used as (
    select d.user_id, d.day, sum(d.signals) as signals
    from public.usage_daily d
    where (d.user_id, d.day) in (select b.user_id, b.day from batch b)
    group by d.user_id, d.day
  ), full_days as (
    select b.user_id, b.day, coalesce(u.signals, 0) as signals, t.signals_per_day
    from (select b.user_id, b.day, count(*) as sent from batch b group by b.user_id, b.day) b
    join public.users o on o.id = b.user_id
    join public.tiers t on t.tier = o.tier
    left join used u on u.user_id = b.user_id and u.day = b.day
    where coalesce(u.signals, 0) + b.sent > t.signals_per_day
  ), fresh as (
    select f.id, f.user_id, f.day,
      row_number() over (partition by f.user_id, f.day order by f.index) as place
    from (
      -- The first of each id: a row that stands twice in the batch is a duplicate, not a second signal.
      select distinct on (b.id) b.*
      from batch b
      where (b.user_id, b.day) in (select d.user_id, d.day from full_days d)
      order by b.id, b.index
    ) f
    where not exists (select from public.signals s where s.id = f.id)
  )
  select b.index, format('quota_exceeded: %s of %s signals of %s are used', d.signals, d.signals_per_day, d.day)
  from fresh f
  join full_days d on d.user_id = f.user_id and d.day = f.day
  join batch b on b.id = f.id
  where d.signals + f.place > d.signals_per_day;
end;
$$;

-- Functions: the way in -----------------------------------------------------------------------------------

-- Which of these signals, given in order, are recorded. Apart from the statement that records, which would otherwise
-- prepare for every partition of the history each time.
create function private.recorded_among(ids uuid[]) returns table (id uuid)
language plpgsql
set search_path = ''
set plan_cache_mode = force_generic_plan
as $$
begin
  if ids is not null then
    return query
    select s.id from public.signals s
    where s.id = any (ids) and s.id between ids[1] and ids[cardinality(ids)];
  end if;
end;
$$;

-- Judges a batch and records what is right in it. Only with may_know it looks for what is recorded already; without, such
-- a signal raises unique_violation.
create function private.record_signals(
  signals json, misfits text[], owner uuid, needs_machine boolean, token_machine text, may_know boolean,
  out signal_count integer, out inserted integer, out rejected jsonb
)
language plpgsql
set search_path = ''
set plan_cache_mode = force_generic_plan
-- The session keeps its plan: made while the history is empty, it would read all of it later.
set enable_seqscan = off
as $$
begin
  with judged as materialized (
    select j.* from private.judge_signals(signals, misfits, owner, needs_machine, token_machine) j
  ), limited as materialized (
    select u.id
    from (select distinct j.user_id from judged j where j.problem is null) j
    join public.users u on u.id = j.user_id
    join public.tiers t on t.tier = u.tier and t.signals_per_day is not null
  ), excess as materialized (
    select e.index, e.problem
    from (
      select array_agg(j.index) as places, array_agg(j.id) as ids, array_agg(j.user_id) as owners,
        array_agg(j.triggered_at) as times
      from judged j
      where j.problem is null and j.user_id in (select l.id from limited l)
    ) s
    cross join lateral private.excess_signals(s.places, s.ids, s.owners, s.times) e
  ), recorded as materialized (
    select k.id
    from private.recorded_among((
      select array_agg(j.id order by j.id) from judged j where may_know and j.problem is null
    )) k
  ), taken as (
    insert into public.signals (
      id, user_id, trader_id, machine_id, triggered_at, status_at, source, side, symbol, normalised_symbol, "interval",
      initial_price, current_price, matched_conditions, original_signal, tags
    )
    select distinct on (j.id) j.id, j.user_id, j.trader_id, j.machine_id, j.triggered_at, j.triggered_at,
      case when j.machine_id is null then 'local'::public.signal_source else 'cloud' end,
      j.side, j.symbol, j.normalised_symbol, j."interval", j.price, j.price, j.matched_conditions, j.original_signal,
      j.tags
    from judged j
    where j.problem is null and not exists (select from excess e where e.index = j.index)
      and not exists (select from recorded k where k.id = j.id)
    -- Machines that send the same signals in any order then wait for each other, never crosswise.
    order by j.id, j.index
    returning true
  ), refused as (
    select j.index, j.problem from judged j where j.problem is not null
    union all
    select e.index, e.problem from excess e
  )
  select (select count(*) from judged), (select count(*) from taken), coalesce(jsonb_agg(jsonb_build_object(
    'index', r.index, 'code', split_part(r.problem, ': ', 1),
    'message', substr(r.problem, strpos(r.problem, ': ') + 2)
  ) order by r.index), '[]')
  into signal_count, inserted, rejected
  from refused r;
end;
$$;

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
  -- Of the text that was sent: whoever sends a batch again sends the same.
  batch_hash bigint := case when request_id is not null then hashtextextended(signals::text, 0) end;
  known record;
  batch record;
  misfits text[];
  may_know boolean := false;
  tries integer := 0;
  failing_table text;
  result jsonb;
begin
  if caller_role = 'authenticated' and owner is null then
    raise exception 'the token names no user' using errcode = 'insufficient_privilege';
  end if;
  if signals is null or json_typeof(signals) <> 'array' then
    raise exception 'signals must be a JSON array' using errcode = 'invalid_parameter_value';
  end if;

  if request_id is not null then
    insert into private.ingest_requests (caller, request_id, batch_hash)
    values (caller_key, ingest_signals.request_id, batch_hash)
    on conflict do nothing;
    if not found then
      select r.batch_hash, r.answer into known
      from private.ingest_requests r
      where r.caller = caller_key and r.request_id = ingest_signals.request_id;
      if known.batch_hash <> batch_hash then
        raise exception 'request % was another batch', request_id
          using errcode = 'invalid_parameter_value',
            hint = 'send a batch again exactly as it was, and a new one with a new request_id';
      end if;
      return known.answer;
    end if;
  end if;
  -- Before the work, and never for an answer that is given again.
  if caller_role = 'authenticated' then
    -- A request that is remembered is a write, also without a row.
    perform private.spend_writes(owner, greatest(json_array_length(signals), (request_id is not null)::integer));
  end if;

  perform set_config('sigtrail.held_back', '', true), set_config('sigtrail.ingesting', 'on', true);
  -- Most batches are new and well formed, and are recorded by the first try. What is not costs another: ON CONFLICT
  -- would cost every batch a tenth.
  loop
    tries := tries + 1;
    begin
      select * into strict batch
      from private.record_signals(
        signals, misfits, owner, caller_role = 'signal_worker', token_machine, may_know);
      exit;
    exception
      -- A signal is recorded already, or was by someone else in this moment.
      when unique_violation then
        get stacked diagnostics failing_table = table_name;
        if tries > 100 or failing_table not like 'signals%' then
          raise;
        end if;
        may_know := true;
      -- A row does not fit its types: they are read one by one.
      when data_exception or feature_not_supported or program_limit_exceeded then
        if misfits is not null then
          raise;
        end if;
        select json_agg(case when m.problem is null then m.item else '{}' end order by m.index),
          array_agg(m.problem order by m.index)
        into signals, misfits
        from (
          select e.item, e.index, private.misfit(e.item) as problem
          from json_array_elements(signals) with ordinality e (item, index)
          offset 0
        ) m;
    end;
  end loop;
  perform set_config('sigtrail.ingesting', '', true);
  -- Counted last, to read the batch once: what went in before goes back with the error.
  if batch.signal_count > most then
    raise exception 'a batch holds at most % signals, this one has %', most, batch.signal_count
      using errcode = 'invalid_parameter_value', hint = 'send it in several calls';
  end if;

  result := jsonb_build_object(
    'inserted', batch.inserted,
    'duplicates', batch.signal_count - jsonb_array_length(batch.rejected) - batch.inserted,
    'rejected', batch.rejected,
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
  problem text;
  judged record;
  quota integer;
begin
  if new.status <> 'new' then
    raise exception 'a signal starts as new, not as %', new.status using errcode = 'check_violation';
  end if;
  -- Before it is written out for the judgement.
  problem := private.oversized(new.matched_conditions, new.original_signal);
  if problem is not null then
    raise exception 'bad_row: %', problem using errcode = 'check_violation';
  end if;
  new.triggered_at := date_trunc('milliseconds', new.triggered_at);
  select j.* into judged
  from private.judge_signals(
    json_build_array(json_build_object(
      'trader_id', new.trader_id, 'symbol', new.symbol, 'normalised_symbol', new.normalised_symbol,
      'interval', new."interval", 'triggered_at', private.unix_ms(new.triggered_at), 'side', new.side,
      'price', new.initial_price, 'id', new.id, 'matched_conditions', new.matched_conditions,
      'original_signal', new.original_signal, 'tags', new.tags)), null,
    case when caller_role = 'authenticated' then (select auth.uid()) end, false, null) j;
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
