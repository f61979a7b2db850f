-- The roles of a hosted project. supabase_admin is the superuser that initdb made; it runs all of this.
-- Passwords are set by cluster.py: they are settings, not schema.

-- postgres is what a project's owner gets: many rights, but not a superuser.
create role postgres login createdb createrole replication bypassrls;

create role anon nologin inherit;
create role authenticated nologin inherit;
create role service_role nologin inherit bypassrls;

-- The REST server logs in as authenticator and becomes the role of the request.
create role authenticator login noinherit;
grant anon, authenticated, service_role to authenticator;

create role supabase_auth_admin login noinherit;
create role supabase_storage_admin login noinherit;
create role supabase_realtime_admin nologin noinherit;
create role dashboard_user nologin createdb createrole replication;

grant anon, authenticated, service_role to postgres;
grant pg_monitor, pg_read_all_data, pg_signal_backend to postgres;
-- Hosted projects let postgres write policies on realtime.messages and storage.objects through an extension that
-- plain PostgreSQL lacks. Membership in the owners does the same here.
grant supabase_realtime_admin, supabase_storage_admin to postgres;
-- Also from that extension: bulk loads may switch triggers off.
grant set on parameter session_replication_role to postgres;

-- The storage server becomes whatever role a request's token names, as the REST server does.
grant authenticator to supabase_storage_admin;

alter role supabase_admin set search_path = "$user", public, auth, extensions;
alter role postgres set search_path = "$user", public, extensions;
alter role supabase_auth_admin set search_path = auth;
alter role supabase_auth_admin set idle_in_transaction_session_timeout = '60s';
alter role supabase_storage_admin set search_path = storage;
alter role supabase_storage_admin set idle_in_transaction_session_timeout = '60s';

-- The REST server applies these per request, when it takes the role on.
alter role anon set statement_timeout = '3s';
alter role authenticated set statement_timeout = '8s';
alter role authenticator set statement_timeout = '8s';
alter role authenticator set lock_timeout = '8s';

alter database postgres owner to postgres;
