-- Last, over everything the files before made: through its membership postgres has the rights of the owner of
-- realtime, yet a hosted project's postgres creates nothing there. The superuser, who makes partitions, needs no grant.
revoke create on schema realtime from supabase_realtime_admin;
