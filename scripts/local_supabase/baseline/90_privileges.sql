-- Last, over everything the files before made: postgres has the rights of the owners through its memberships, yet a
-- hosted project's postgres creates nothing in these schemas. The superuser, who makes partitions, needs no grant.
revoke create on schema auth, realtime, storage from postgres;
revoke create on schema realtime from supabase_realtime_admin;
