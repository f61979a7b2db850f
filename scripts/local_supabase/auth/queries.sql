-- The statements of the auth server, run as supabase_auth_admin. One block a statement, read by queries.py.

-- name: find_user
select * from auth.users where id = %(id)s;

-- name: find_user_by_email
-- Users of single sign-on may share an address; they never sign in with a password.
select *
from auth.users
where email = lower(%(email)s) and aud = %(aud)s and not is_sso_user;

-- name: list_users
select *
from auth.users
where aud = %(aud)s
order by created_at desc, id
limit %(limit)s offset %(offset)s;

-- name: count_users
select count(*) as count from auth.users where aud = %(aud)s;

-- name: insert_user
-- GoTrue stores empty strings, not nulls, in the token columns; tools that read auth.users rely on it.
insert into auth.users (
    instance_id, id, aud, role, email, encrypted_password,
    raw_app_meta_data, raw_user_meta_data,
    confirmation_token, recovery_token, email_change_token_new, email_change,
    created_at, updated_at
) values (
    '00000000-0000-0000-0000-000000000000', %(id)s, %(aud)s, %(role)s, lower(%(email)s),
    %(encrypted_password)s, %(app_metadata)s, %(user_metadata)s,
    '', '', '', '', now(), now()
)
returning *;

-- name: confirm_user
update auth.users
set email_confirmed_at = coalesce(email_confirmed_at, now()),
    confirmation_token = '',
    raw_user_meta_data = coalesce(raw_user_meta_data, '{}') || '{"email_verified": true}',
    updated_at = now()
where id = %(id)s;

-- name: request_confirmation
update auth.users set confirmation_sent_at = now(), updated_at = now() where id = %(id)s;

-- name: merge_metadata
-- A key whose new value is null is removed, every other key is kept or replaced. A null patch changes nothing.
update auth.users
set raw_user_meta_data = case
        when %(user_metadata)s::jsonb is null then raw_user_meta_data
        else (coalesce(raw_user_meta_data, '{}') || %(user_metadata)s::jsonb) - %(user_removed)s::text[]
    end,
    raw_app_meta_data = case
        when %(app_metadata)s::jsonb is null then raw_app_meta_data
        else (coalesce(raw_app_meta_data, '{}') || %(app_metadata)s::jsonb) - %(app_removed)s::text[]
    end,
    updated_at = now()
where id = %(id)s;

-- name: set_password
update auth.users
set encrypted_password = %(encrypted_password)s,
    recovery_token = '',
    recovery_sent_at = null,
    updated_at = now()
where id = %(id)s;

-- name: set_email
update auth.users set email = lower(%(email)s), updated_at = now() where id = %(id)s;

-- name: set_role
update auth.users set role = %(role)s, updated_at = now() where id = %(id)s;

-- name: set_banned_until
update auth.users set banned_until = %(banned_until)s, updated_at = now() where id = %(id)s;

-- name: note_sign_in
update auth.users set last_sign_in_at = now(), updated_at = now() where id = %(id)s;

-- name: delete_user
delete from auth.users where id = %(id)s;

-- name: soft_delete_user
-- The row stays for what refers to it; the address becomes free again.
update auth.users
set email = encode(sha256(convert_to(id::text || coalesce(email, ''), 'utf8')), 'hex'),
    encrypted_password = '',
    raw_user_meta_data = '{}',
    raw_app_meta_data = '{}',
    confirmation_token = '',
    recovery_token = '',
    email_change = '',
    email_change_token_new = '',
    deleted_at = now(),
    updated_at = now()
where id = %(id)s and deleted_at is null;

-- name: find_identities
select * from auth.identities where user_id = any(%(user_ids)s) order by created_at, id;

-- name: upsert_email_identity
insert into auth.identities (
    provider_id, user_id, identity_data, provider, last_sign_in_at, created_at, updated_at
) values (
    %(user_id)s::text, %(user_id)s, %(identity_data)s, 'email', now(), now(), now()
)
on conflict (provider_id, provider) do update
set identity_data = identities.identity_data || excluded.identity_data, updated_at = now();

-- name: delete_identities
delete from auth.identities where user_id = %(user_id)s;

-- name: insert_session
insert into auth.sessions (id, user_id, aal, created_at, updated_at, user_agent, ip)
values (%(id)s, %(user_id)s, 'aal1', now(), now(), %(user_agent)s, %(ip)s)
returning *;

-- name: insert_authentication_method
insert into auth.mfa_amr_claims (id, session_id, authentication_method, created_at, updated_at)
values (gen_random_uuid(), %(session_id)s, %(method)s, now(), now());

-- name: find_authentication_methods
select authentication_method as method, floor(extract(epoch from updated_at))::bigint as timestamp
from auth.mfa_amr_claims
where session_id = %(session_id)s
order by updated_at desc;

-- name: find_session
select * from auth.sessions where id = %(id)s;

-- name: note_refresh
update auth.sessions
set refreshed_at = now() at time zone 'utc',
    updated_at = now(),
    user_agent = %(user_agent)s,
    ip = %(ip)s
where id = %(id)s;

-- name: delete_session
delete from auth.sessions where id = %(id)s;

-- name: delete_sessions_of_user
-- A session's refresh tokens go with it.
delete from auth.sessions where user_id = %(user_id)s and id is distinct from %(keep)s::uuid;

-- name: insert_refresh_token
insert into auth.refresh_tokens (
    instance_id, token, user_id, session_id, parent, revoked, created_at, updated_at
) values (
    '00000000-0000-0000-0000-000000000000', %(token)s, %(user_id)s::text, %(session_id)s, %(parent)s,
    false, now(), now()
);

-- name: find_refresh_token
select * from auth.refresh_tokens where token = %(token)s;

-- name: lock_session
-- Two refreshes of one session wait for each other here: the second sees what the first did.
select * from auth.sessions where id = %(id)s for update;

-- name: find_active_refresh_token
select *
from auth.refresh_tokens
where session_id = %(session_id)s and not revoked
order by id desc
limit 1;

-- name: revoke_refresh_token
update auth.refresh_tokens set revoked = true, updated_at = now() where id = %(id)s;

-- name: within_reuse_interval
select now() <= updated_at + make_interval(secs => %(seconds)s) as allowed
from auth.refresh_tokens
where id = %(id)s;
