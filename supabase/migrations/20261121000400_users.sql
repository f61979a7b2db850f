-- The people who own traders, and what their tier allows. A user is made by signing up: a trigger on auth.users
-- writes the row, nobody else does.

create type public.user_tier as enum ('free', 'pro', 'elite');

create table public.tiers (
  tier public.user_tier primary key,
  signals_per_day integer,
  writes_per_minute integer,
  constraint "a quota is positive" check (signals_per_day > 0),
  constraint "a rate is positive" check (writes_per_minute > 0)
);
comment on column public.tiers.signals_per_day is
  'Signals that may be recorded for one UTC day of triggered_at; null is unlimited.';
comment on column public.tiers.writes_per_minute is
  'Signals that a user''s own clients may send within any 60 seconds; null is unlimited. Machines are not counted.';

-- A free user may send a whole day's quota at once, and no more than that.
insert into public.tiers (tier, signals_per_day, writes_per_minute) values
  ('free', 100, 100), ('pro', 10000, 1000), ('elite', null, null);

create table public.users (
  id uuid primary key references auth.users (id) on delete cascade,
  email text unique,
  tier public.user_tier not null default 'free',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

-- Functions and triggers ----------------------------------------------------------------------------------

create function private.mirror_user() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  insert into public.users (id, email) values (new.id, new.email)
  on conflict (id) do update set email = excluded.email, updated_at = now();
  return null;
end;
$$;

create trigger mirror_user_on_sign_up after insert on auth.users
  for each row execute function private.mirror_user();
create trigger mirror_user_on_new_email after update of email on auth.users
  for each row when (old.email is distinct from new.email) execute function private.mirror_user();

-- Who signed up before this migration ran.
insert into public.users (id, email) select id, email from auth.users on conflict (id) do nothing;

-- Whether the caller is a person who looks after the platform in a browser (`sigtrail users operator`). Such a person sees
-- what belongs to nobody: machines, shares, alerts about the platform, the chain of seals. Of others' signals, accounts
-- and positions they see and do no more than anybody else; that takes the secret key (private.is_operator). The token has
-- to say so, and so has the record at this moment: a right that was taken away ends at once, not with the token.
create function private.oversees_platform() returns boolean
language plpgsql stable security definer
set search_path = ''
as $$
begin
  return coalesce((select auth.jwt()) -> 'app_metadata' ->> 'role' = 'operator', false) and exists (
    select from auth.users u where u.id = (select auth.uid()) and u.raw_app_meta_data ->> 'role' = 'operator'
  );
end;
$$;

-- For tables whose updated_at is the database's business.
create function private.touch() returns trigger
language plpgsql
set search_path = ''
as $$
begin
  new.updated_at := now();
  return new;
end;
$$;

create trigger users_touch before update on public.users
  for each row execute function private.touch();

-- Policies and grants -------------------------------------------------------------------------------------

alter table public.tiers enable row level security;
alter table public.users enable row level security;

create policy "Everyone who signed in reads the tiers" on public.tiers
  for select to authenticated using (true);
create policy "Users read themselves" on public.users
  for select to authenticated using (id = (select auth.uid()));

grant select on public.tiers, public.users to authenticated;
grant select on public.tiers, public.users to service_role;
-- The tier is what an operator sells; the rest mirrors auth.users.
grant update (tier) on public.users to service_role;
