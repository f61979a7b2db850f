-- What a project may write in its migrations: people keep files in a folder of their own name in the bucket `people`,
-- everybody signed in may read what lies below `shared`, anonymous visitors may only leave something in `box`, and a
-- role of the project's own reads all of it.

insert into storage.buckets (id, name) values ('people', 'people');

create policy people_read on storage.objects for select to authenticated
  using (bucket_id = 'people' and ((storage.foldername(name))[1] in ((select auth.uid())::text, 'shared')));
create policy people_insert on storage.objects for insert to authenticated
  with check (
    bucket_id = 'people' and (storage.foldername(name))[1] = (select auth.uid())::text
    and storage.extension(name) <> 'exe' and owner_id = (select auth.uid())::text
  );
create policy people_update on storage.objects for update to authenticated
  using (bucket_id = 'people' and owner_id = (select auth.uid())::text)
  with check (bucket_id = 'people' and (storage.foldername(name))[1] = (select auth.uid())::text);
create policy people_delete on storage.objects for delete to authenticated
  using (bucket_id = 'people' and owner_id = (select auth.uid())::text);

create policy visitors_leave on storage.objects for insert to anon
  with check (bucket_id = 'people' and (storage.foldername(name))[1] = 'box');

create role inspector nologin noinherit;
grant inspector to authenticator;
grant usage on schema storage to inspector;
grant select on storage.objects to inspector;
create policy inspectors_read on storage.objects for select to inspector
  using (bucket_id = 'people' and auth.jwt() ->> 'machine_id' = 'm-1');
