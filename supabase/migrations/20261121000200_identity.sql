-- What a signal is called: a UUIDv8 made of when it fired, which trader fired, on which symbol and interval.
-- Python and TypeScript make the same id to the bit; tests/vectors/signal_ids.json holds the three together.

-- Unix milliseconds of a time, floored: 0.9996 s belong to millisecond 999.
create function private.unix_ms(moment timestamptz) returns bigint
language plpgsql immutable strict parallel safe
set search_path = ''
as $$
begin
  return floor(extract(epoch from moment) * 1000)::bigint;
end;
$$;

-- The id out of milliseconds and the three names: 48 bits of time, version 8, variant 10, and the first 74 bits
-- of sha256('trader|symbol|interval'). In plpgsql, over bytea and integers: as an SQL function over hexadecimal text it
-- costs more than twice as much a row. Batches are judged with the same expression in place (judge_signals), since even
-- this call would be a tenth of their cost; a test holds the two together.
create function private.signal_id(trader_id uuid, symbol text, "interval" text, unix_ms bigint) returns uuid
language plpgsql immutable strict parallel safe
set search_path = ''
as $$
declare
  hash bytea := sha256(convert_to(trader_id::text || '|' || symbol || '|' || "interval", 'UTF8'));
  -- Bits 8 to 71 of the hash.
  middle bigint := ('x' || encode(substr(hash, 2, 8), 'hex'))::bit(64)::bigint;
begin
  if unix_ms < 0 or unix_ms >= 281474976710656 then
    raise exception 'a signal must have fired between 1970 and the year 10889, not at % ms', unix_ms
      using errcode = 'invalid_parameter_value';
  end if;
  return encode(
    int8send((unix_ms << 16) | 32768 | (get_byte(hash, 0) << 4) | (get_byte(hash, 1) >> 4))
    || int8send(
      (-9223372036854775808)::bigint | ((middle << 2) & 4611686018427387903) | (get_byte(hash, 9) >> 6)
    ),
    'hex'
  )::uuid;
end;
$$;

-- The id of the signal that a trader fired on a symbol and interval at a time (the close of the candle).
create function public.signal_id(trader_id uuid, symbol text, "interval" text, triggered_at timestamptz) returns uuid
language plpgsql immutable strict parallel safe
set search_path = ''
as $$
begin
  return private.signal_id(trader_id, symbol, "interval", private.unix_ms(triggered_at));
end;
$$;

-- When the signal of this id fired.
create function public.signal_time(id uuid) returns timestamptz
language plpgsql immutable strict parallel safe
set search_path = ''
as $$
begin
  return timestamptz 'epoch' + interval '1 millisecond' * (
    (get_byte(uuid_send(id), 0)::bigint << 40) | (get_byte(uuid_send(id), 1)::bigint << 32)
    | (get_byte(uuid_send(id), 2)::bigint << 24) | (get_byte(uuid_send(id), 3)::bigint << 16)
    | (get_byte(uuid_send(id), 4)::bigint << 8) | get_byte(uuid_send(id), 5)::bigint);
end;
$$;

-- The least id that a signal of this time can have: the bound that turns a question about time into one about ids. Times
-- that no id can hold are bounds all the same: before 1970 all signals are later, after the year 10889 none.
create function public.signal_id_floor(moment timestamptz) returns uuid
language plpgsql immutable strict parallel safe
set search_path = ''
as $$
begin
  return encode(
    int8send(greatest(0, least(private.unix_ms(moment), 281474976710655)) << 16) || '\x0000000000000000'::bytea, 'hex'
  )::uuid;
end;
$$;

-- ccxt's unified name of a venue's symbol: BTCUSDT is BTC/USDT on spot and BTC/USDT:USDT as a linear perpetual.
-- Writers that know the market send the name themselves; this is for those that don't.
create function private.normalised_symbol(symbol text, market text) returns text
language plpgsql immutable strict parallel safe
set search_path = ''
as $$
declare
  quote text;
begin
  foreach quote in array
    array['USDT', 'USDC', 'FDUSD', 'BUSD', 'TUSD', 'USD', 'BTC', 'ETH', 'BNB', 'EUR', 'TRY']
  loop
    if right(symbol, length(quote)) = quote and length(symbol) > length(quote) then
      return left(symbol, -length(quote)) || '/' || quote || case market when 'usdm' then ':' || quote else '' end;
    end if;
  end loop;
  return symbol;
end;
$$;

grant execute on function public.signal_id(uuid, text, text, timestamptz),
  public.signal_time(uuid), public.signal_id_floor(timestamptz)
  to authenticated, service_role, signal_worker, analyst, trading_bridge;
-- Called by the three above with the caller's rights.
grant execute on function private.signal_id(uuid, text, text, bigint), private.unix_ms(timestamptz)
  to authenticated, service_role, signal_worker, analyst, trading_bridge;
