-- Notes that belong to who wrote them, a profile for everybody, and a broadcast for each note.

create table public.profiles (
    id uuid primary key references auth.users on delete cascade,
    email text not null
);
create table public.notes (
    id bigint generated always as identity primary key,
    owner uuid not null default auth.uid() references auth.users on delete cascade,
    body text not null check (body <> ''),
    tags text[] not null default '{}'
);
create index notes_owner_idx on public.notes (owner);

create function public.make_profile() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    insert into public.profiles values (new.id, new.email);
    return new;
end
$$;
revoke execute on function public.make_profile() from public;
create trigger make_profile after insert on auth.users
    for each row execute function public.make_profile();

create function public.tell_owner() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    perform realtime.send(jsonb_build_object('id', new.id, 'body', new.body), 'note', 'user:' || new.owner, true);
    return null;
end
$$;
revoke execute on function public.tell_owner() from public;
create trigger tell_owner after insert on public.notes
    for each row execute function public.tell_owner();

create function public.count_notes(containing text default '') returns bigint
language sql stable set search_path = '' as $$
    select count(*) from public.notes where position(containing in body) > 0
$$;
revoke execute on function public.count_notes(text) from public;
grant execute on function public.count_notes(text) to authenticated, service_role;

alter table public.profiles enable row level security;
alter table public.notes enable row level security;
grant select on public.profiles to authenticated, service_role;
grant select, insert, update, delete on public.notes to authenticated, service_role;
create policy own_profile on public.profiles for select to authenticated using (id = (select auth.uid()));
create policy own_notes on public.notes for all to authenticated
    using (owner = (select auth.uid())) with check (owner = (select auth.uid()));
create policy own_channel on realtime.messages for all to authenticated
    using (realtime.topic() = 'user:' || (select auth.uid()))
    with check (realtime.topic() = 'user:' || (select auth.uid()));
