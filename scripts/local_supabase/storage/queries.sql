-- The statements of the storage server. One block a statement, read by database.py.
-- Those on buckets and objects run as the caller unless their name says `any`: then they run as the server itself,
-- whom no policy binds.

-- name: become_caller
-- The claims before the role: it may lack the right to settings, and the role last, as nothing after it is ours.
select
  set_config('request.jwt.claims', %(claims)s, true),
  set_config('storage.allow_delete_query', 'true', true),
  set_config('role', %(role)s, true);

-- name: become_server
select set_config('role', 'none', true), set_config('request.jwt.claims', '', true);

-- name: find_any_bucket
select id, name, public, file_size_limit, allowed_mime_types from storage.buckets where id = %(id)s;

-- name: find_bucket
select * from storage.buckets where id = %(id)s;

-- name: list_buckets
select *
from storage.buckets
where strpos(lower(name), lower(%(search)s)) > 0
order by
  case when %(column)s = 'name' and not %(descending)s then name end collate "C",
  case when %(column)s = 'name' and %(descending)s then name end collate "C" desc,
  case when %(column)s = 'created_at' and not %(descending)s then created_at end,
  case when %(column)s = 'created_at' and %(descending)s then created_at end desc,
  case when %(column)s = 'updated_at' and not %(descending)s then updated_at end,
  case when %(column)s = 'updated_at' and %(descending)s then updated_at end desc,
  id
limit %(limit)s offset %(offset)s;

-- name: insert_bucket
insert into storage.buckets (id, name, owner, owner_id, public, file_size_limit, allowed_mime_types)
values (
  %(id)s, %(name)s, %(owner)s, %(owner_id)s, %(public)s, %(file_size_limit)s, %(allowed_mime_types)s
);

-- name: update_bucket
update storage.buckets
set
  public = coalesce(%(public)s, public),
  file_size_limit = case when %(sets_limit)s then %(file_size_limit)s::bigint else file_size_limit end,
  allowed_mime_types = case when %(sets_types)s then %(allowed_mime_types)s::text[] else allowed_mime_types end,
  updated_at = now()
where id = %(id)s;

-- name: is_any_object_in
select exists (select from storage.objects where bucket_id = %(bucket)s) as found;

-- name: delete_bucket
delete from storage.buckets where id = %(id)s;

-- name: empty_bucket
delete from storage.objects where bucket_id = %(bucket)s returning version;

-- name: lock_name
-- Two requests that write one name take turns, so that each knows which bytes it replaces.
select pg_advisory_xact_lock(hashtextextended(%(bucket)s || '/' || %(name)s, 0));

-- name: find_any_object
select * from storage.objects where bucket_id = %(bucket)s and name = %(name)s;

-- name: find_object
select * from storage.objects where bucket_id = %(bucket)s and name = %(name)s;

-- name: find_objects
select name from storage.objects where bucket_id = %(bucket)s and name = any (%(names)s);

-- name: insert_object
insert into storage.objects (bucket_id, name, owner, owner_id, version, metadata, user_metadata)
values (%(bucket)s, %(name)s, %(owner)s, %(owner_id)s, %(version)s, %(metadata)s, %(user_metadata)s);

-- name: upsert_object
insert into storage.objects (bucket_id, name, owner, owner_id, version, metadata, user_metadata)
values (%(bucket)s, %(name)s, %(owner)s, %(owner_id)s, %(version)s, %(metadata)s, %(user_metadata)s)
on conflict (bucket_id, name) do update set
  owner = excluded.owner, owner_id = excluded.owner_id, version = excluded.version,
  metadata = excluded.metadata, user_metadata = excluded.user_metadata;

-- name: update_object
update storage.objects
set
  owner = %(owner)s, owner_id = %(owner_id)s, version = %(version)s,
  metadata = %(metadata)s, user_metadata = %(user_metadata)s
where bucket_id = %(bucket)s and name = %(name)s;

-- name: move_object
update storage.objects
set bucket_id = %(new_bucket)s, name = %(new_name)s
where bucket_id = %(bucket)s and name = %(name)s;

-- name: delete_objects
delete from storage.objects
where bucket_id = %(bucket)s and name = any (%(names)s)
returning id, bucket_id, name, owner, owner_id, version, created_at, updated_at, last_accessed_at, metadata, user_metadata;

-- name: known_versions
select version from storage.objects where version = any (%(versions)s);

-- name: list_folder
-- What lies directly in a folder: its objects, and the folders below it as rows without an id.
with found as (
  select substr(name, length(%(prefix)s) + 1) as rest, id, updated_at, created_at, last_accessed_at, metadata
  from storage.objects
  where bucket_id = %(bucket)s and name collate "C" ^@ %(prefix)s::text
),
entries as (
  select rest as name, id, updated_at, created_at, last_accessed_at, metadata
  from found
  where strpos(rest, '/') = 0
  union all
  select distinct split_part(rest, '/', 1), null::uuid, null::timestamptz, null::timestamptz, null::timestamptz, null::jsonb
  from found
  where strpos(rest, '/') > 0
)
select *
from entries
where starts_with(lower(name), lower(%(search)s))
order by
  case when %(column)s = 'updated_at' and not %(descending)s then updated_at end,
  case when %(column)s = 'updated_at' and %(descending)s then updated_at end desc nulls last,
  case when %(column)s = 'created_at' and not %(descending)s then created_at end,
  case when %(column)s = 'created_at' and %(descending)s then created_at end desc nulls last,
  case when %(column)s = 'last_accessed_at' and not %(descending)s then last_accessed_at end,
  case when %(column)s = 'last_accessed_at' and %(descending)s then last_accessed_at end desc nulls last,
  case when not %(descending)s then name end collate "C",
  case when %(descending)s then name end collate "C" desc
limit %(limit)s offset %(offset)s;

-- name: list_keys
-- Pages by key: whole names below a prefix or, with a delimiter, folders among them as rows without an id. The cursor
-- is the sort value and the key of the last row; a folder has the time of nothing, and comes first.
with found as (
  select name, substr(name, length(%(prefix)s) + 1) as rest, id, updated_at, created_at, last_accessed_at, metadata
  from storage.objects
  where bucket_id = %(bucket)s and name collate "C" ^@ %(prefix)s::text
),
entries as (
  select name as key, id, updated_at, created_at, last_accessed_at, metadata
  from found
  where not %(delimiter)s or strpos(rest, '/') = 0
  union all
  select distinct
    %(prefix)s || split_part(rest, '/', 1) || '/', null::uuid, null::timestamptz, null::timestamptz, null::timestamptz,
    null::jsonb
  from found
  where %(delimiter)s and strpos(rest, '/') > 0
),
sorted as (
  select
    *,
    case %(column)s
      when 'created_at' then coalesce(to_char(created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US'), '')
      when 'updated_at' then coalesce(to_char(updated_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US'), '')
      else key
    end collate "C" as place
  from entries
)
select *
from sorted
where %(after_key)s::text is null
   or case when %(descending)s
        then (place, key collate "C") < (%(after_place)s, %(after_key)s)
        else (place, key collate "C") > (%(after_place)s, %(after_key)s)
      end
order by
  case when not %(descending)s then place end,
  case when %(descending)s then place end desc,
  case when not %(descending)s then key end collate "C",
  case when %(descending)s then key end collate "C" desc
limit %(limit)s;
