-- The schemas of a hosted project, and the extensions that every project has from the start.

create schema extensions;
create schema auth authorization supabase_auth_admin;
create schema storage;
create schema realtime;
create schema vault;
create schema net;
create schema graphql_public;
create schema supabase_migrations authorization postgres;

grant usage, create on schema extensions to postgres, dashboard_user;
grant usage on schema extensions, graphql_public to anon, authenticated, service_role;
grant usage on schema graphql_public, vault, net to postgres;

-- Nothing made in public is exposed before a migration grants it. PostgreSQL's own default lets the roles see the
-- schema; saying it by name keeps that when a project revokes it from everybody.
grant usage on schema public to postgres, anon, authenticated, service_role;

create extension pgcrypto with schema extensions;
create extension "uuid-ossp" with schema extensions;
create extension pg_stat_statements with schema extensions;
-- Only a superuser may create this one. `supabase db lint` finds it through the search path of postgres.
create extension plpgsql_check with schema extensions;
grant execute on all functions in schema extensions to anon, authenticated, service_role;
grant all on all functions in schema extensions to postgres with grant option;
grant all on all tables in schema extensions to postgres with grant option;

-- What realtime sends as postgres_changes: empty until a project adds tables.
create publication supabase_realtime;
alter publication supabase_realtime owner to postgres;
