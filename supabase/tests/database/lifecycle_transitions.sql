-- Of all 64 ways from one status to another, the law's are taken and every other is refused by an error that names
-- both statuses, whoever tries.
begin;
\ir stage.psql
select plan(66);

-- Brings a signal of its own from new to a status by the shortest lawful way.
create function pg_temp.bring_to(target public.signal_status, n integer) returns uuid language plpgsql as $$
declare
  signal uuid := pg_temp.make_signal(pg_temp.eli_trader(), 'S' || n || 'USDT');
  step public.signal_status;
  ways jsonb := '{"new": [], "analyzing": ["analyzing"], "rejected": ["analyzing", "rejected"],
    "monitoring": ["analyzing", "monitoring"], "ready": ["analyzing", "monitoring", "ready"],
    "in_position": ["analyzing", "monitoring", "ready", "in_position"],
    "closed": ["analyzing", "monitoring", "ready", "in_position", "closed"], "expired": ["expired"]}';
begin
  for step in select jsonb_array_elements_text(ways -> target::text) loop
    update public.signals set status = step,
      outcome_code = case step when 'rejected' then 'low_confidence' when 'closed' then 'take_profit'
        when 'expired' then 'signal_stale' end
    where id = signal;
  end loop;
  return signal;
end;
$$;

-- What happens when a signal in one status is put into another, with a reason that fits.
create function pg_temp.attempt(origin public.signal_status, target public.signal_status, n integer) returns text
language plpgsql as $$
declare
  signal uuid := pg_temp.bring_to(origin, n);
begin
  update public.signals set status = target,
    outcome_code = case target when 'rejected' then 'low_confidence' when 'closed' then 'take_profit'
      when 'expired' then 'signal_stale' end
  where id = signal;
  return 'taken';
exception
  when check_violation then
    return replace(sqlerrm, signal::text, '<id>');
end;
$$;

create temporary table pairs as
select f as origin, t as target, row_number() over ()::integer as n
from unnest(enum_range(null::public.signal_status)) f, unnest(enum_range(null::public.signal_status)) t;

select is(
  pg_temp.attempt(p.origin, p.target, p.n),
  case
    when p.origin = p.target
      or exists (select from public.status_transitions t where t.from_status = p.origin and t.to_status = p.target)
      then 'taken'
    else format('signal <id> cannot go from %s to %s', p.origin, p.target)
  end,
  format('%s to %s', p.origin, p.target)
)
from pairs p order by p.n;

select is((select count(*) from public.status_transitions), 12::bigint, 'the law has twelve ways');

create function pg_temp.attempt_by_function() returns text language plpgsql as $$
declare
  signal uuid := pg_temp.make_signal(pg_temp.eli_trader(), 'FUSDT');
begin
  perform private.move_signal(signal, 'ready', now());
  return 'taken';
exception
  when check_violation then
    return replace(sqlerrm, signal::text, '<id>');
end;
$$;
select is(pg_temp.attempt_by_function(), 'signal <id> cannot go from new to ready',
  'functions are held to the law as well');

select * from finish();
rollback;
